//! An index entry: one value that a resource can be found by.

use crate::resource_type::ResourceType;

/// The stable number of a search parameter of a type, for instance of `Observation.code`, or of a parameter of every
/// resource, for instance of `_tag`. It is computed from the name (FNV-1a, 32 bits) so that stored rows stay valid
/// from release to release; a test shows that no two names of the table share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParameterId(pub i32);

impl ParameterId {
    /// The number of `name`: `Type.code` for a parameter of one type, `_code` for one of every resource.
    #[must_use]
    pub const fn of(name: &str) -> ParameterId {
        let bytes = name.as_bytes();
        let mut hash: u32 = 0x811c_9dc5;
        let mut position = 0;
        while position < bytes.len() {
            #[expect(
                clippy::indexing_slicing,
                reason = "a const fn has no iterators; the position is below the length"
            )]
            let byte = bytes[position];
            hash = (hash ^ byte as u32).wrapping_mul(0x0100_0193);
            position += 1;
        }
        ParameterId(hash.cast_signed())
    }
}

/// The rows of codes that count in a decision and that no parameter of main codes has, as tokens; nobody searches by them.
pub const OTHER_CODE: ParameterId = ParameterId::of("_:code");

/// The rows of resources that a resource names where no search parameter for references to them looks, as `Type/id`; nobody
/// searches by them.
pub const OTHER_NAME: ParameterId = ParameterId::of("_:name");

/// Separates the two halves of a key. FHIR strings may not contain it (R4 "Data Types", string).
pub const SEPARATOR: char = '\u{1f}';

/// One row: the resource has this value for this parameter.
///
/// | kind | `key` | `low`, `high` |
/// |---|---|---|
/// | token | code `SEPARATOR` system | none |
/// | reference | `Type/id`, or the absolute URL as it was written, without a version | none |
/// | string | folded `SEPARATOR` as written | none |
/// | uri | the uri; a canonical with a version has a row with it and a row without | none |
/// | date | empty | first and last millisecond since 1970 UTC that the value covers; an open end is infinite |
/// | number | empty | the value, twice; the two ends of a Range |
/// | quantity | code `SEPARATOR` system; a second row for unit `SEPARATOR` where the unit is another text | as number |
///
/// A stored decimal is a point: it is the decimal of the query whose precision makes a range (R4 "Search", number), so
/// that a reading of 140 is found by `140` and `ge140` and not by `gt140`. A quantity with a comparator (`< 3`) covers
/// all on that side.
///
/// | composite | the keys of both values with U+001E between them | those of the value that is a range |
///
/// A parameter that finds what others find together ([`crate::registry::combined`]) has no rows of its own.
///
/// Pseudo parameters keep what modifiers ask for: `Type.code:identifier` the identifier of a logical reference (a
/// token), `Type.code:text` the texts that go with a token (folded, without the text as written), `Type.code:of-type` an
/// identifier with its type (value `SEPARATOR` system `|` code), `Type.code:any-case` in lower case what of plain texts is written
/// otherwise (tokens) and `Type.code:base-unit` a quantity in base units (the dimension).
///
/// A key is at most [`crate::value::LONGEST_KEY`] bytes long, that of a composite
/// [`crate::value::LONGEST_COMPOSITE`]. A longer text is cut: the first half of a string keeps its
/// beginning, anything else its beginning and a fingerprint of the whole. Tests of a query are cut in the same way.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Which parameter.
    pub parameter: ParameterId,
    /// The text to match.
    pub key: String,
    /// The lower end of a range.
    pub low: Option<f64>,
    /// The upper end of a range.
    pub high: Option<f64>,
}

/// A resource whose labels another one inherits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// Its type.
    pub resource_type: ResourceType,
    /// Its logical id.
    pub id: String,
    /// The version that is named; 0 for the resource as it is.
    pub version: i64,
}

/// All that a version of a resource is found and evaluated by.
#[derive(Clone, Debug, PartialEq)]
pub struct Entries {
    /// Its type.
    pub resource_type: ResourceType,
    /// Its logical id.
    pub id: String,
    /// `meta.lastUpdated` in milliseconds since 1970 UTC.
    pub updated: i64,
    /// The logical ids of the patients whose record it is part of: empty for a resource that is about nobody.
    pub patients: Vec<String>,
    /// Who wrote it first, as the store keeps it: a reference, or empty for a system that named nobody. What the resource
    /// says of its author is among its rows, and gives nobody anything.
    pub author: String,
    /// Its rows.
    pub rows: Vec<Entry>,
    /// The resources whose labels protect it too.
    pub sources: Vec<Source>,
    /// The canonical urls of definitions whose labels protect it too.
    pub canonicals: Vec<String>,
    /// The canonical url by which its own labels protect what names it: which counts, its elements do not tell.
    pub name: Option<String>,
    /// The resources that it shows as its content.
    pub shown: Vec<Source>,
    /// Those of them that its labels protect too: which, its elements do not tell.
    pub contents: Vec<Source>,
}

impl Entries {
    /// Those of a version that says nothing, such as a deletion.
    #[must_use]
    pub fn none(resource_type: ResourceType, id: String, updated: i64) -> Entries {
        Entries {
            resource_type,
            id,
            updated,
            patients: Vec::new(),
            author: String::new(),
            rows: Vec::new(),
            sources: Vec::new(),
            canonicals: Vec::new(),
            name: None,
            shown: Vec::new(),
            contents: Vec::new(),
        }
    }

    /// The same, as part of the record of these patients (logical ids) and of no others: for types of which only the
    /// store knows whose record they are part of (AuditEvent, Provenance).
    #[must_use]
    pub fn part_of(mut self, mut patients: Vec<String>) -> Entries {
        patients.sort_unstable();
        patients.dedup();
        self.patients = patients;
        self
    }

    /// What it hands labels on along, and nothing else of it.
    #[must_use]
    pub fn links_alone(&self) -> Entries {
        Entries {
            sources: self.sources.clone(),
            canonicals: self.canonicals.clone(),
            name: self.name.clone(),
            contents: self.contents.clone(),
            ..Entries::none(self.resource_type, self.id.clone(), self.updated)
        }
    }

    /// The same as if it named nothing that it inherits labels from: of what is written, only what its writer gives it is asked.
    #[must_use]
    pub fn by_itself(self) -> Entries {
        Entries { sources: Vec::new(), canonicals: Vec::new(), ..self }
    }

    /// Whether it inherits labels from anything that it names.
    #[must_use]
    pub fn inherits(&self) -> bool {
        !self.sources.is_empty() || !self.canonicals.is_empty()
    }

    /// The same, written first by this author.
    #[must_use]
    pub fn by(mut self, author: String) -> Entries {
        self.author = author;
        self
    }
}
