//! A Bundle of requests, read entry by entry: what is wrong with one entry is no fault of the others (R4 "RESTful API",
//! batch: "the entries are independent").

use super::{Format, parsed};
use crate::check::{check, check_element};
use crate::issue::{Issue, IssueCode, Severity};
use crate::json::{Limits, Value};

/// How many problems of all entries are listed whole; of an entry beyond them only the first is. A body of nothing but
/// problems must not make an answer many times its size.
const MOST: usize = 1_000;

/// The types of Bundles whose entries are requests.
const KINDS: [&str; 2] = ["batch", "transaction"];

/// A Bundle of requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Requests<'a> {
    /// `batch` or `transaction`.
    pub kind: String,
    /// Its entries, in their order.
    pub entries: Vec<RequestEntry<'a>>,
}

/// An entry of a Bundle of requests.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestEntry<'a> {
    /// The entry without its resource.
    pub value: Value<'a>,
    /// What is wrong with it, with places in the Bundle.
    pub problems: Vec<Issue>,
    /// Its resource: or, where that is not valid, every problem of it with its place in the resource.
    pub resource: Option<Result<Value<'a>, Vec<Issue>>>,
}

impl Requests<'_> {
    /// The same, owning its texts.
    #[must_use]
    pub fn into_owned(self) -> Requests<'static> {
        let owned = |entry: RequestEntry<'_>| RequestEntry {
            value: entry.value.into_owned(),
            problems: entry.problems,
            resource: entry.resource.map(|resource| resource.map(Value::into_owned)),
        };
        Requests { kind: self.kind, entries: self.entries.into_iter().map(owned).collect() }
    }
}

/// Reads a Bundle of requests and checks it.
///
/// # Errors
/// What is wrong with the Bundle itself: it cannot be read, is none of requests, or is not valid outside of its entries.
pub fn read_requests<'a>(format: Format, body: &'a [u8], limits: &Limits) -> Result<Requests<'a>, Vec<Issue>> {
    let (mut bundle, issues) = parsed(format, body, limits)?;
    let kind = bundle.text("type").unwrap_or_default().to_owned();
    let is_of_requests = bundle.text("resourceType") == Some("Bundle") && KINDS.contains(&kind.as_str());
    // What is no list of entries stays where it is, and is refused there.
    let is_list = matches!(bundle.get("entry"), Some(Value::Array(list)) if !list.is_empty());
    let list = match bundle.as_object_mut().filter(|_| is_of_requests && is_list) {
        Some(object) => object.remove("entry"),
        None => None,
    };
    let list = if let Some(Value::Array(list)) = list { list } else { Vec::new() };
    let mut by_entry: Vec<Vec<Issue>> = vec![Vec::new(); list.len()];
    let mut outside = Vec::new();
    for issue in issues {
        let at = issue.expression.as_deref().and_then(entry_at);
        match at.and_then(|at| by_entry.get_mut(at)) {
            Some(own) => own.push(issue),
            None => outside.push(issue),
        }
    }
    outside.extend(check(&bundle, limits).err().unwrap_or_default());
    if !is_of_requests && outside.is_empty() {
        outside.push(not_of_requests(&bundle));
    }
    if !outside.is_empty() {
        return Err(outside);
    }
    let mut room = MOST;
    let read =
        |(place, (value, known)): (usize, (Value<'a>, Vec<Issue>))| entry(place, value, known, limits, &mut room);
    Ok(Requests { kind, entries: list.into_iter().zip(by_entry).enumerate().map(read).collect() })
}

fn not_of_requests(bundle: &Value<'_>) -> Issue {
    match bundle.text("resourceType") {
        Some("Bundle") => {
            let text = "only a batch or a transaction is carried out";
            Issue::error(IssueCode::Value, "Bundle.type", text)
        }
        other => {
            let text = format!("the body is of the type {}, but the address is of Bundle", other.unwrap_or_default());
            Issue::error(IssueCode::Invalid, "resourceType", text)
        }
    }
}

/// One entry; `known` is what reading it has found already.
fn entry<'a>(
    place: usize,
    mut value: Value<'a>,
    known: Vec<Issue>,
    limits: &Limits,
    room: &mut usize,
) -> RequestEntry<'a> {
    let at = place_of_entry(place);
    let within = format!("{at}.resource");
    let (of_resource, mut problems): (Vec<Issue>, Vec<Issue>) =
        known.into_iter().partition(|issue| issue.expression.as_deref().is_some_and(|own| own.starts_with(&within)));
    let resource = value.as_object_mut().and_then(|object| object.remove("resource"));
    let rule = |text: &str| Issue::error(IssueCode::Invariant, at.clone(), text);
    match value.get("request") {
        Some(_) => problems.extend(check_element("Bundle.entry", &value, &at, limits)),
        None => problems.push(rule("an entry of a batch or transaction has a 'request' (bdl-3)")),
    }
    for (name, key) in [("search", "bdl-2"), ("response", "bdl-4")] {
        if value.get(name).is_some() {
            problems.push(rule(&format!("an entry of a batch or transaction has no '{name}' ({key})")));
        }
    }
    shorten(&mut problems, room);
    let resource = resource.map(|resource| {
        let named = resource.text("resourceType").unwrap_or("Resource").to_owned();
        let in_resource = |issue: Issue| {
            let own = issue.expression.as_deref().and_then(|own| own.strip_prefix(&within)).unwrap_or_default();
            Issue { expression: Some(format!("{named}{own}")), ..issue }
        };
        let mut problems: Vec<Issue> = of_resource.into_iter().map(in_resource).collect();
        problems.extend(check(&resource, limits).err().unwrap_or_default());
        shorten(&mut problems, room);
        if problems.is_empty() { Ok(resource) } else { Err(problems) }
    });
    RequestEntry { value, problems, resource }
}

/// Leaves what there is room for, and in any case the first.
fn shorten(problems: &mut Vec<Issue>, room: &mut usize) {
    let (before, kept) = (problems.len(), (*room).max(1));
    if before > kept {
        problems.truncate(kept);
        let text = format!("{} more problems are not listed", before - kept);
        problems.push(Issue::remark(Severity::Information, IssueCode::TooLong, text));
    }
    *room = room.saturating_sub(before);
}

/// Where an entry stands in a Bundle.
#[must_use]
pub fn place_of_entry(position: usize) -> String {
    format!("Bundle.entry[{position}]")
}

/// Whether a place is one of a Bundle itself, and not of a resource that is an entry of it.
#[must_use]
pub fn is_in_bundle(place: &str) -> bool {
    place.starts_with("Bundle.")
}

/// The position of the entry that a place in a Bundle is in.
fn entry_at(place: &str) -> Option<usize> {
    place.strip_prefix("Bundle.entry[")?.split_once(']')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Requests<'_>, Vec<Issue>> {
        let format = if text.starts_with('<') { Format::Xml } else { Format::Json };
        read_requests(format, text.as_bytes(), &Limits::default())
    }

    fn places(issues: &[Issue]) -> Vec<&str> {
        issues.iter().filter_map(|issue| issue.expression.as_deref()).collect()
    }

    #[test]
    fn each_entry_has_its_own_problems() {
        let json = r#"{"resourceType":"Bundle","type":"batch","entry":[
            {"request":{"method":"POST","url":"Patient"},"resource":{"resourceType":"Patient","gender":"x","colour":1}},
            {"request":{"method":"POST","url":"Patient"},"resource":{"resourceType":"Patient","active":true}},
            {"request":{"method":"GET"}},
            {"resource":{"resourceType":"Patient"}},
            {"request":{"method":"GET","url":"Patient"},"response":{"status":"200"}},
            7]}"#;
        let requests = read(json).unwrap();
        let [wrong, right, no_url, no_request, response, none] = requests.entries.as_slice() else { panic!("six") };
        assert_eq!(
            places(wrong.resource.as_ref().unwrap().as_ref().unwrap_err()),
            ["Patient.gender", "Patient.colour"]
        );
        assert!(wrong.problems.is_empty() && right.problems.is_empty() && right.resource.as_ref().unwrap().is_ok());
        assert_eq!(places(&no_url.problems), ["Bundle.entry[2].request.url"]);
        assert_eq!(places(&no_request.problems), ["Bundle.entry[3]"]);
        assert_eq!(places(&response.problems), ["Bundle.entry[4]"]);
        assert_eq!(places(&none.problems), ["Bundle.entry[5]"]);
    }

    #[test]
    fn in_xml_too() {
        let xml = r#"<Bundle xmlns="http://hl7.org/fhir"><type value="batch"/>
            <entry><resource><Patient><gender value="x"/><colour value="y"/></Patient></resource>
                <request><method value="POST"/><url value="Patient"/></request></entry>
            <entry><resource><Patient><active value="true"/></Patient></resource>
                <request><method value="POST"/><url value="Patient"/></request></entry></Bundle>"#;
        let requests = read(xml).unwrap();
        let [wrong, right] = requests.entries.as_slice() else { panic!("two") };
        assert_eq!(
            places(wrong.resource.as_ref().unwrap().as_ref().unwrap_err()),
            ["Patient.colour", "Patient.gender"]
        );
        assert!(right.problems.is_empty() && right.resource.as_ref().unwrap().is_ok());
    }

    #[test]
    fn what_is_outside_of_the_entries_refuses_all() {
        for (text, place) in [
            (r#"{"resourceType":"Bundle","type":"batch","id":"b"}"#, ""),
            (r#"{"resourceType":"Bundle","type":"batch","entry":[]}"#, "Bundle.entry"),
            (r#"{"resourceType":"Bundle","type":"batch","entry":{}}"#, "Bundle.entry"),
            (r#"{"resourceType":"Bundle","type":"batch","total":1}"#, "Bundle"),
            (r#"{"resourceType":"Bundle","type":"collection"}"#, "Bundle.type"),
            (r#"{"resourceType":"Bundle"}"#, "Bundle.type"),
            (r#"{"resourceType":"Patient"}"#, "resourceType"),
            (r#"{"resourceType":"Patient","gender":"x"}"#, "Patient.gender"),
        ] {
            if place.is_empty() {
                assert!(read(text).is_ok(), "{text}");
            } else {
                assert_eq!(places(&read(text).unwrap_err())[0], place, "{text}");
            }
        }
    }

    /// However many problems there are, no entry that has one is taken for valid.
    #[test]
    fn problems_are_bounded_over_all_entries() {
        let names = vec![r#"{"use":"x"}"#; 700].join(",");
        let entry = format!(
            r#"{{"request":{{"method":"POST","url":"Patient"}},"resource":{{"resourceType":"Patient","name":[{names}]}}}}"#
        );
        let text = format!(r#"{{"resourceType":"Bundle","type":"batch","entry":[{}]}}"#, vec![entry; 20].join(","));
        let requests = read(&text).unwrap();
        let told: Vec<usize> =
            requests.entries.iter().map(|entry| entry.resource.as_ref().unwrap().as_ref().unwrap_err().len()).collect();
        assert_eq!(told[..3], [700, 301, 2]);
        assert!(told[2..].iter().all(|count| *count == 2));
    }
}
