//! What is asked of a professional whom the NHS Care Identity Service 2 names.

use confique::Layer as _;
use serde::de::Deserializer;

use super::{field, group};

/// What is asked of professionals of CIS2, whether they sign in here (`[[providers]]`) or come with its tokens (`[[issuers]]`).
#[derive(Clone, Debug, PartialEq, Eq, confique::Config)]
pub struct Cis2Config {
    /// How strongly they have to have signed in at least: `authentication_assurance_level`, 1 to 3.
    #[config(default = 2, deserialize_with = field::number::<1, 3, _, _>)]
    pub lowest_assurance: u8,
    /// In which roles they are let in: national role codes, whole (`S8000:G8000:R8001`) or their last part. The role is the one that
    /// was selected (`selected_roleid`), or the only one. `*` lets in whatever the role, and whoever has none.
    ///
    /// Default: R8000, R8001, R8002 and R8003: clinical practitioner, nurse, nurse manager and health professional
    #[config(default = ["R8000", "R8001", "R8002", "R8003"], deserialize_with = roles)]
    pub roles: Vec<String>,
    /// For which organisations they are let in: the ODS codes in which that role may be held. `*` lets in whatever the organisation.
    ///
    /// Default: those with an Organization here that bears their code (`https://fhir.nhs.uk/Id/ods-organization-code`)
    #[config(default = [], deserialize_with = organisations)]
    pub organisations: Vec<String>,
}

/// What lets anything in.
pub(crate) const ANY: &str = "*";

impl Default for Cis2Config {
    fn default() -> Cis2Config {
        group::complete(<Cis2Config as confique::Config>::Layer::default_values(), &[]).unwrap_or(Cis2Config {
            lowest_assurance: 3,
            roles: Vec::new(),
            organisations: Vec::new(),
        })
    }
}

/// The group, if it is there.
pub(super) fn group<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cis2Config, D::Error> {
    group::one_table(deserializer, "cis2")
}

fn roles<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    codes(deserializer, "national role codes, such as R8001, or *")
}

fn organisations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    codes(deserializer, "ODS codes, such as A83008, or *")
}

fn codes<'de, D: Deserializer<'de>>(deserializer: D, expected: &str) -> Result<Vec<String>, D::Error> {
    field::texts(deserializer, expected, |texts| {
        let is_code = |text: &String| {
            text == ANY
                || (!text.is_empty()
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-')))
        };
        texts.iter().all(is_code).then_some(texts)
    })
}
