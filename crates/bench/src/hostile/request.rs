//! The bytes of hostile requests.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

/// The hostile patient, whose record is her own to fill.
pub(crate) const PATIENT: &str = "hostile-patient";

/// How many of her Observations refer to one another.
pub(crate) const DENSE: usize = 160;

/// How many others she has, each of some kilobytes.
pub(crate) const LARGE: usize = 1_200;

/// What is as large as a resource may be, and what is content of that size.
pub(crate) const HUGE: &str = "DocumentReference/hostile-huge";
pub(crate) const CONTENT: &str = "Binary/hostile-content";

/// How many bytes those have.
const HUGE_BYTES: usize = 9 * 1024 * 1024;

/// Who may see her record by hundreds of rules.
pub(crate) const RULED: &str = "Practitioner/hostile-ruled";

/// How many rules.
const RULES: usize = 300;

/// Who lets somebody see her record, thing by thing, as NDJSON.
fn rules(out: &mut String) {
    let coded = |system: &str, code: &str| format!(r#"{{"coding":[{{"system":"{system}","code":"{code}"}}]}}"#);
    let (scope, action) = (
        coded("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        coded("http://terminology.hl7.org/CodeSystem/consentaction", "access"),
    );
    let category = coded("http://terminology.hl7.org/CodeSystem/v3-ActCode", "INFA");
    let policy = coded("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN");
    let role = coded("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP");
    let _ = writeln!(out, r#"{{"resourceType":"Practitioner","id":"hostile-ruled","active":true}}"#);
    for number in 0..RULES {
        let code = coded("http://example.org/rules", &format!("r{number}"));
        let _ = writeln!(
            out,
            r#"{{"resourceType":"Consent","id":"hostile-rule-{number}","status":"active","scope":{scope},"category":[{category}],"patient":{{"reference":"Patient/{PATIENT}"}},"dateTime":"2026-01-01","policyRule":{policy},"provision":{{"type":"permit","actor":[{{"role":{role},"reference":{{"reference":"{RULED}"}}}}],"action":[{action}],"code":[{code}]}}}}"#
        );
    }
}

/// Her record as NDJSON.
pub(crate) fn record() -> String {
    let mut out = String::new();
    let _ = writeln!(out, r#"{{"resourceType":"Patient","id":"{PATIENT}","active":true,"gender":"unknown"}}"#);
    let members: Vec<String> =
        (0..DENSE).map(|number| format!(r#"{{"reference":"Observation/hostile-dense-{number}"}}"#)).collect();
    let members = members.join(",");
    for number in 0..DENSE {
        let _ = writeln!(
            out,
            r#"{{"resourceType":"Observation","id":"hostile-dense-{number}","status":"final","code":{{"text":"dense"}},"effectiveDateTime":"2026-01-01","subject":{{"reference":"Patient/{PATIENT}"}},"hasMember":[{members}]}}"#
        );
    }
    for number in 0..LARGE {
        let words: String = (0..600).fold(String::new(), |mut all, place| {
            let _ = write!(all, "word{} ", (number * 7 + place * 31) % 10_000);
            all
        });
        let _ = writeln!(
            out,
            r#"{{"resourceType":"Observation","id":"hostile-large-{number}","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"8310-5"}}],"text":"large {number}"}},"effectiveDateTime":"2026-02-{:02}","subject":{{"reference":"Patient/{PATIENT}"}},"note":[{{"text":"{words}"}}]}}"#,
            1 + number % 28
        );
    }
    let data = "A".repeat(HUGE_BYTES / 4 * 4);
    let _ = writeln!(
        out,
        r#"{{"resourceType":"DocumentReference","id":"hostile-huge","status":"current","subject":{{"reference":"Patient/{PATIENT}"}},"content":[{{"attachment":{{"contentType":"application/pdf","data":"{data}"}}}}]}}"#
    );
    let _ = writeln!(
        out,
        r#"{{"resourceType":"Binary","id":"hostile-content","contentType":"application/pdf","securityContext":{{"reference":"Patient/{PATIENT}"}},"data":"{data}"}}"#
    );
    rules(&mut out);
    out
}

/// Who asks, if anybody.
#[derive(Clone, Copy)]
pub(crate) struct From<'t>(pub(crate) Option<&'t str>);

impl From<'_> {
    fn authorization(self) -> String {
        self.0.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default()
    }

    /// A request without a body.
    pub(crate) fn get(self, path: &str) -> Vec<u8> {
        self.head("GET", path, "")
    }

    /// The head of a request. `more` are whole header lines.
    pub(crate) fn head(self, method: &str, path: &str, more: &str) -> Vec<u8> {
        format!("{method} {path} HTTP/1.1\r\nhost: bench\r\n{}{more}\r\n", self.authorization()).into_bytes()
    }

    /// A request with a body of FHIR's JSON.
    pub(crate) fn send(self, method: &str, path: &str, more: &str, body: &[u8]) -> Vec<u8> {
        let kind = if more.contains("content-type:") { "" } else { "content-type: application/fhir+json\r\n" };
        let mut request = self.head(method, path, &format!("{kind}{more}content-length: {}\r\n", body.len()));
        request.extend_from_slice(body);
        request
    }

    /// What she writes herself and may patch.
    pub(crate) fn goal(self) -> Vec<u8> {
        let goal = format!(
            r#"{{"resourceType":"Goal","identifier":[{{"system":"urn:hostile","value":"1"}}],"lifecycleStatus":"active","description":{{"text":"walk"}},"subject":{{"reference":"Patient/{PATIENT}"}},"note":[{{"text":"a"}}]}}"#
        );
        self.send("POST", "/fhir/Goal", "", goal.as_bytes())
    }

    /// A Bundle of entries.
    pub(crate) fn bundle(self, kind: &str, entries: &[String]) -> Vec<u8> {
        let entries = entries.join(",");
        let body = format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{entries}]}}"#);
        self.send("POST", "/fhir", "", body.as_bytes())
    }
}

/// An entry that asks for something.
pub(crate) fn reads(url: &str) -> String {
    format!(r#"{{"request":{{"method":"GET","url":"{url}"}}}}"#)
}

/// An Observation of hers that is about to be stored.
pub(crate) fn small(text: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","status":"final","code":{{"text":"{text}"}},"effectiveDateTime":"2026-03-01","subject":{{"reference":"Patient/{PATIENT}"}},"performer":[{{"reference":"Patient/{PATIENT}"}}],"valueString":"so so"}}"#
    )
}

/// A search that follows every path of so many steps through what refers to one another, for something at the end that
/// is not there.
pub(crate) fn chain(steps: usize) -> String {
    format!("{}status=registered", "has-member:Observation.".repeat(steps))
}

/// The same the other way.
pub(crate) fn reverse_chain(steps: usize) -> String {
    format!("{}status=registered", "_has:Observation:has-member:".repeat(steps))
}

/// A text of so many bytes, packed to some thousandth.
pub(crate) fn packed(unpacked: usize) -> Vec<u8> {
    let part = [b' '; 65_536];
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..unpacked / part.len() {
        // Writing to memory does not fail.
        let _written = gzip.write_all(&part);
    }
    gzip.finish().unwrap_or_default()
}

/// A body packed.
pub(crate) fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let _written = gzip.write_all(body);
    gzip.finish().unwrap_or_default()
}

/// An Observation with so many notes that say nothing.
pub(crate) fn many_notes(notes: usize) -> String {
    let note = r#"{"text":"a"}"#;
    let all = vec![note; notes].join(",");
    small("many").replace(r#""status""#, &format!(r#""note":[{all}],"status""#))
}

/// The same in XML.
pub(crate) fn many_notes_in_xml(notes: usize) -> String {
    let all = r#"<note><text value="a"/></note>"#.repeat(notes);
    format!(
        r#"<Observation xmlns="http://hl7.org/fhir"><status value="final"/><code><text value="many"/></code><subject><reference value="Patient/{PATIENT}"/></subject><effectiveDateTime value="2026-03-01"/><valueString value="so so"/>{all}</Observation>"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_sound() {
        let limits = concord_fhir::json::Limits::default();
        let record = record();
        assert_eq!(record.lines().count(), 1 + DENSE + LARGE + 2 + 1 + RULES);
        for line in record.lines().chain([small("x").as_str(), many_notes(3).as_str()]) {
            assert!(concord_fhir::codec::read(concord_fhir::codec::Format::Json, line.as_bytes(), &limits).is_ok());
        }
        let xml = many_notes_in_xml(2);
        assert!(concord_fhir::codec::read(concord_fhir::codec::Format::Xml, xml.as_bytes(), &limits).is_ok());
    }

    #[test]
    fn a_bomb_is_small() {
        assert!(packed(200_000_000).len() < 250_000);
    }

    #[test]
    fn who_asks_stands_in_the_head() {
        assert!(!From(None).get("/fhir/Patient").windows(6).any(|part| part == b"Bearer"));
        let sent = String::from_utf8(From(Some("t")).send("POST", "/fhir/Goal", "", b"{}")).unwrap();
        assert!(sent.contains("Bearer t\r\n") && sent.ends_with("content-length: 2\r\n\r\n{}"), "{sent}");
    }
}
