//! A path of the parameter table: which JSON members lead to a value, and what data type it has there.

use super::ResourceType;

/// Where a parameter finds values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The members to walk through, from the resource down. Empty for the resource itself.
    pub steps: Vec<Step>,
    /// What is found at the end.
    pub data_type: DataType,
    /// The only type that a reference found there may point at, if the parameter is restricted to one.
    pub refers_to: Option<ResourceType>,
}

/// One member to walk through; every item of a list is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The name of the JSON member.
    pub member: Box<str>,
    /// Which of its items to follow.
    pub only: Only,
}

/// Which items of a member to follow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Only {
    /// Every item.
    All,
    /// The first.
    First,
    /// Those that carry the extension with this url.
    Extended(Box<str>),
    /// Those whose member of the first name has the second text.
    With(Box<str>, Box<str>),
}

/// The data types that search parameters read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the FHIR data type of that name, but the two that say otherwise")]
pub enum DataType {
    Address,
    Age,
    Boolean,
    Canonical,
    Code,
    CodeableConcept,
    Coding,
    ContactPoint,
    Date,
    DateTime,
    Decimal,
    /// Whether the resource is a patient who has died; computed from the whole resource.
    Deceased,
    Duration,
    HumanName,
    Id,
    Identifier,
    Instant,
    Integer,
    Markdown,
    Money,
    Period,
    Quantity,
    Range,
    Reference,
    /// A resource that stands in place of a reference to it.
    Resource,
    String,
    Timing,
    Uri,
    Url,
}

impl DataType {
    /// Whether a token of this type is a text of no code system. A code is compared as it is written: whether case matters is
    /// up to its system, and it does in R4's own.
    #[must_use]
    pub fn is_plain_text(self) -> bool {
        matches!(self, DataType::Identifier | DataType::ContactPoint | DataType::String)
    }

    /// Whether a token of this type is of no system, said or implied. That of a ContactPoint says what kind of address it is, and
    /// is asked for by parameters of their own (`email`, `phone`).
    #[must_use]
    pub fn has_no_system(self) -> bool {
        matches!(
            self,
            DataType::ContactPoint | DataType::Boolean | DataType::Deceased | DataType::String | DataType::Uri
        )
    }

    /// The data type of that FHIR name.
    #[must_use]
    pub fn parse(name: &str) -> Option<DataType> {
        Some(match name {
            "Address" => DataType::Address,
            "Age" => DataType::Age,
            "boolean" => DataType::Boolean,
            "canonical" => DataType::Canonical,
            "code" => DataType::Code,
            "CodeableConcept" => DataType::CodeableConcept,
            "Coding" => DataType::Coding,
            "ContactPoint" => DataType::ContactPoint,
            "date" => DataType::Date,
            "dateTime" => DataType::DateTime,
            "decimal" => DataType::Decimal,
            "Deceased" => DataType::Deceased,
            "Duration" => DataType::Duration,
            "HumanName" => DataType::HumanName,
            "id" => DataType::Id,
            "Identifier" => DataType::Identifier,
            "instant" => DataType::Instant,
            "integer" => DataType::Integer,
            "markdown" => DataType::Markdown,
            "Money" => DataType::Money,
            "Period" => DataType::Period,
            "Quantity" => DataType::Quantity,
            "Range" => DataType::Range,
            "Reference" => DataType::Reference,
            "Resource" => DataType::Resource,
            "string" => DataType::String,
            "Timing" => DataType::Timing,
            "uri" => DataType::Uri,
            "url" => DataType::Url,
            _ => return None,
        })
    }
}

impl Path {
    /// Reads a path of the table (`telecom[system=email]:ContactPoint`, `subject:Reference(Patient)`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Path> {
        let (members, data_type) = text.rsplit_once(':')?;
        let (data_type, refers_to) = match data_type.strip_suffix(')').and_then(|inner| inner.split_once('(')) {
            Some((data_type, target)) => (data_type, Some(ResourceType::parse(target)?)),
            None => (data_type, None),
        };
        let data_type = DataType::parse(data_type)?;
        Some(Path { steps: steps(members)?, data_type, refers_to })
    }
}

/// The members before the data type.
pub(super) fn steps(mut text: &str) -> Option<Vec<Step>> {
    let mut found = Vec::new();
    if text == "." {
        return Some(found);
    }
    loop {
        // A url in brackets may have dots in it.
        let end = text.find(['.', '[']).unwrap_or(text.len());
        let (member, rest) = text.split_at_checked(end)?;
        let (only, rest) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (condition, rest) = rest.split_once(']')?;
                (Only::parse(condition)?, rest)
            }
            None => (Only::All, rest),
        };
        if member.is_empty() {
            return None;
        }
        found.push(Step { member: member.into(), only });
        match rest.strip_prefix('.') {
            Some(next) => text = next,
            None if rest.is_empty() => return Some(found),
            None => return None,
        }
    }
}

impl Only {
    /// Reads what stands in brackets.
    fn parse(condition: &str) -> Option<Only> {
        if condition == "0" {
            return Some(Only::First);
        }
        let (member, wanted) = condition.split_once('=')?;
        Some(if member == "extension" {
            Only::Extended(wanted.into())
        } else {
            Only::With(member.into(), wanted.into())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        let path = Path::parse("telecom[system=email]:ContactPoint").expect("a path");
        assert_eq!(path.steps, [Step { member: "telecom".into(), only: Only::With("system".into(), "email".into()) }]);
        assert_eq!(path.data_type, DataType::ContactPoint);
        let path = Path::parse("item[extension=http://x.y/z].answer.valueReference:Reference").expect("a path");
        assert_eq!(path.steps.len(), 3);
        assert_eq!(path.steps[0].only, Only::Extended("http://x.y/z".into()));
        let path = Path::parse("subject:Reference(Patient)").expect("a path");
        assert_eq!(path.refers_to.map(ResourceType::name), Some("Patient"));
        assert!(Path::parse(".:Deceased").expect("a path").steps.is_empty());
        assert_eq!(Path::parse("entry[0].resource:Resource").expect("a path").steps[0].only, Only::First);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["code", "code:Nothing", ".code:Coding", "a..b:Coding", "a[x]:Coding", "a[0:Coding", "a[0]b:Coding"]
        {
            assert_eq!(Path::parse(text), None, "{text}");
        }
    }
}
