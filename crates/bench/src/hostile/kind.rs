//! The kinds of hostile callers: which requests each makes, on how many connections.

use std::time::Duration;

use clap::ValueEnum;

use super::attack::Attack;
use super::request::{
    CONTENT, From, HUGE, PATIENT, chain, gzipped, many_notes, many_notes_in_xml, packed, reads, reverse_chain, small,
};

/// A kind of hostile caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Heads of requests that never end.
    SlowHeads,
    /// The same for the second request of a connection.
    SlowSecondHeads,
    /// Packed bodies that would become large, from nobody.
    BombsWithoutToken,
    /// The same from somebody.
    Bombs,
    /// Packed bodies that become as large as a body may be.
    PackedResources,
    /// Bodies of which the last part does not come.
    UnfinishedBodies,
    /// Bodies that come byte by byte.
    TrickledBodies,
    /// Bodies in chunks without an end, that go on after the refusal.
    EndlessBodies,
    /// The same beside a request that wants no body.
    EndlessBodiesOfReads,
    /// The same to an address that asks for no token.
    EndlessBodiesOfHealth,
    /// Calls without a token.
    FloodWithoutToken,
    /// Calls with tokens that nobody signed.
    FloodOfBadTokens,
    /// Plain reads, as fast as they are answered.
    FloodOfReads,
    /// A chained search over what refers to one another.
    Chains,
    /// The same the other way.
    ReverseChains,
    /// The same by what comes along with a page.
    Includes,
    /// Includes the other way.
    RevIncludes,
    /// The chain as the condition of a create.
    ConditionalCreates,
    /// The chain as the condition of an update.
    ConditionalUpdates,
    /// The chain as the condition of a delete.
    ConditionalDeletes,
    /// The chain as the condition of a create in a transaction.
    ConditionsInTransactions,
    /// Searches by the chain beside a write in a transaction.
    SearchesBesideWrites,
    /// Thousands of whole records in a batch.
    BatchesOfRecords,
    /// The same in a transaction.
    TransactionsOfRecords,
    /// Searches of the log in a transaction.
    TransactionsOfLogSearches,
    /// Searches of the log with everything counted.
    LogSearches,
    /// Words in all texts.
    Words,
    /// Parts of words, in every value.
    Contains,
    /// Deep pages, sorted, everything counted.
    Pages,
    /// As many ids as fit.
    ManyIds,
    /// As many tests in a filter as there may be.
    Filters,
    /// Histories of everything.
    Histories,
    /// Many small writes.
    Writes,
    /// Batches of many small writes.
    BatchesOfWrites,
    /// Transactions of many small writes.
    TransactionsOfWrites,
    /// What would somebody see, and why.
    Evaluate,
    /// Who can see it all.
    WhoCanSee,
    /// Patches with thousands of operations.
    Patches,
    /// Patches that copy over and over.
    CopyingPatches,
    /// JSON that is nested too deeply.
    DeepJson,
    /// JSON of as many small values as fit.
    WideJson,
    /// The same in XML.
    WideXml,
    /// The same, only to be checked.
    Validate,
    /// Large answers that nobody reads.
    UnreadAnswers,
    /// Large answers that are read byte by byte.
    SlowReaders,
    /// Many requests at once on a connection, whose answers nobody reads.
    UnreadPipelines,
    /// Large answers, to be packed.
    PackedAnswers,
    /// Large answers in XML, and made easy to read.
    RewrittenAnswers,
    /// Reads of the largest resource by whoever has that version.
    UnchangedReads,
    /// The same by whoever says since when.
    UnmodifiedReads,
    /// Parts of a large content.
    Ranges,
    /// What large answers would be.
    Heads,
    /// What the server can do, in all forms, from nobody.
    Capabilities,
    /// Histories of everything by whoever sees it by hundreds of rules.
    HistoriesByRules,
    /// Reads of what has not changed, as many as fit on one connection.
    FloodOfUnchangedReads,
}

/// How often a slow client goes on.
const SLOWLY: Duration = Duration::from_secs(1);

/// How often each of 16 connections sends a chunk of 16 KB: together 130 MB a second.
const LINE: Duration = Duration::from_millis(2);

/// How many connections one that costs nothing has.
const MANY: usize = 200;

/// How many bytes a body may have.
const BODY: usize = 10 * 1024 * 1024;

impl Kind {
    /// Every kind, in the order of the report.
    pub(crate) fn all() -> Vec<Kind> {
        Kind::value_variants().to_vec()
    }

    /// The name in the report.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What it does with that token, and on how many connections.
    pub(crate) fn attack(self, token: &str, ruled: &str) -> (usize, Attack) {
        let (own, nobody) = (From(Some(token)), From(None));
        let (connections, attack) = match self {
            Kind::SlowHeads => (MANY, trickle(b"GET /fhir/metadata HTTP/1.1\r\nhost: bench\r\n", b"x-more: 1\r\n")),
            Kind::SlowSecondHeads => (
                MANY,
                trickle(b"GET /healthz HTTP/1.1\r\nhost: bench\r\n\r\nGET /healthz HTTP/1.1\r\n", b"x-more: 1\r\n"),
            ),
            Kind::BombsWithoutToken => (MANY, Attack::Ask(vec![bomb(nobody)])),
            Kind::Bombs => (MANY, Attack::Ask(vec![bomb(own)])),
            Kind::PackedResources => {
                let body = gzipped(many_notes(BODY / 14).as_bytes());
                (32, Attack::Ask(vec![own.send("POST", "/fhir/Observation", "content-encoding: gzip\r\n", &body)]))
            }
            Kind::UnfinishedBodies => {
                let mut start = own.head("POST", "/fhir/Observation", &announced(900_000));
                start.resize(start.len() + 800_000, b' ');
                (MANY, Attack::Unending { start, part: Vec::new(), every: Some(SLOWLY) })
            }
            Kind::TrickledBodies => (MANY, trickle(&own.head("POST", "/fhir/Observation", &announced(900_000)), b" ")),
            Kind::EndlessBodies => (16, endless(own, "POST", "/fhir/Observation")),
            Kind::EndlessBodiesOfReads => (16, endless(own, "GET", &format!("/fhir/Patient/{PATIENT}"))),
            Kind::EndlessBodiesOfHealth => (16, endless(nobody, "GET", "/healthz")),
            Kind::FloodWithoutToken => (64, Attack::Ask(vec![nobody.get(&format!("/fhir/Patient/{PATIENT}"))])),
            Kind::FloodOfBadTokens => (64, Attack::Ask(bad_tokens(token))),
            Kind::FloodOfReads => (64, Attack::Ask(vec![own.get(&format!("/fhir/Patient/{PATIENT}"))])),
            Kind::UnreadAnswers => (64, Attack::ReadSlowly { requests: large(own), bytes: 0 }),
            Kind::SlowReaders => (64, Attack::ReadSlowly { requests: large(own), bytes: 100 }),
            Kind::UnreadPipelines => {
                let requests = own.get(&format!("/fhir/Observation?patient={PATIENT}&_count=20")).repeat(200);
                (64, Attack::ReadSlowly { requests, bytes: 0 })
            }
            Kind::PackedAnswers => {
                let path = format!("/fhir/Observation?patient={PATIENT}&code=8310-5&_count=1000");
                (16, Attack::Ask(vec![own.head("GET", &path, "accept-encoding: br, gzip\r\n")]))
            }
            Kind::RewrittenAnswers => {
                let path = |form: &str| format!("/fhir/Observation?patient={PATIENT}&_count=1000&{form}");
                (16, Attack::Ask(vec![own.get(&path("_format=xml")), own.get(&path("_pretty=true"))]))
            }
            Kind::Capabilities => (32, Attack::Ask(capabilities(nobody))),
            Kind::HistoriesByRules => {
                let paths = ["/fhir/_history?_count=1", "/fhir/Observation/_history?_count=1000"];
                (16, Attack::Ask(paths.iter().map(|path| From(Some(ruled)).get(path)).collect()))
            }
            other => other.unchanged(own),
        };
        (connections, attack)
    }

    /// Those that ask for what has no body, or a small one, of what is large.
    fn unchanged(self, own: From<'_>) -> (usize, Attack) {
        let of = |method: &str, path: &str, more: &str| own.head(method, &format!("/fhir/{path}"), more);
        match self {
            Kind::UnchangedReads => (16, Attack::Ask(vec![of("GET", HUGE, "if-none-match: W/\"1\"\r\n")])),
            Kind::UnmodifiedReads => {
                (16, Attack::Ask(vec![of("GET", HUGE, "if-modified-since: Tue, 19 Jan 2038 03:14:07 GMT\r\n")]))
            }
            Kind::Ranges => {
                let part =
                    |range: &str| of("GET", CONTENT, &format!("accept: application/pdf\r\nrange: bytes={range}\r\n"));
                (16, Attack::Ask(vec![part("0-0"), part("-1"), part("1000000-1000100")]))
            }
            Kind::Heads => {
                let page = format!("Observation?patient={PATIENT}&_count=1000");
                (
                    16,
                    Attack::Ask(vec![
                        of("HEAD", HUGE, ""),
                        of("HEAD", &page, ""),
                        of("HEAD", &format!("{page}&_format=xml"), ""),
                    ]),
                )
            }
            Kind::FloodOfUnchangedReads => {
                let path = format!("Patient/{PATIENT}");
                (1, Attack::Pipeline { requests: of("GET", &path, "if-none-match: W/\"1\"\r\n").repeat(200) })
            }
            other => other.asks(own),
        }
    }

    /// Those that ask what takes much to answer.
    fn asks(self, own: From<'_>) -> (usize, Attack) {
        let get = |connections: usize, paths: &[String]| {
            (connections, Attack::Ask(paths.iter().map(|path| own.get(path)).collect()))
        };
        let observations = |query: &str| format!("/fhir/Observation?{query}");
        match self {
            Kind::Chains => get(16, &[observations(&chain(5))]),
            Kind::ReverseChains => get(16, &[observations(&reverse_chain(5))]),
            Kind::Includes => get(16, &[observations("_count=1000&_include:iterate=Observation:has-member")]),
            Kind::RevIncludes => get(16, &[observations("_count=1000&_revinclude:iterate=Observation:has-member")]),
            Kind::TransactionsOfLogSearches => {
                let search = reads("AuditEvent?_count=1&_total=accurate&outcome=0,4,8,12");
                (16, Attack::Ask(vec![own.bundle("transaction", &vec![search; 2_000])]))
            }
            Kind::LogSearches => get(16, &["/fhir/AuditEvent?_count=1000&_total=accurate&_sort=date".to_owned()]),
            Kind::Words => get(16, &[observations("_content=word1,word2,nothing"), observations("_text=nothing")]),
            Kind::Contains => {
                get(16, &[observations("code:text=nothing&_total=accurate"), observations("note:contains=ord99,x")])
            }
            Kind::Pages => get(
                16,
                &[observations("_sort=date,-code,status,-_lastUpdated,_id&_count=1000&_total=accurate&_elements=id")],
            ),
            Kind::ManyIds => {
                let ids: Vec<String> = (0..190).map(|number| format!("hostile-dense-{number}")).collect();
                let ids = format!("_id={}", ids.join(","));
                get(16, &[observations(&vec![ids; 4].join("&"))])
            }
            Kind::Filters => {
                let tests = vec!["status%20ne%20registered%20or%20date%20gt%202020"; 24].join("%20or%20");
                get(16, &[observations(&format!("_filter={tests}&_total=accurate&_count=1000"))])
            }
            Kind::Histories => get(16, &["/fhir/Observation/_history?_count=1000".to_owned()]),
            Kind::WhoCanSee => get(16, &[format!("/fhir/Patient/{PATIENT}/$who-can-see")]),
            other => other.writes(own),
        }
    }

    /// Those that write, or send much to be read.
    fn writes(self, own: From<'_>) -> (usize, Attack) {
        let ask = |connections: usize, request: Vec<u8>| (connections, Attack::Ask(vec![request]));
        let condition = chain(5);
        let body = small("hostile");
        let create = |url: &str, more: &str| {
            let resource = &body;
            format!(r#"{{"request":{{"method":"POST","url":"{url}"{more}}},"resource":{resource}}}"#)
        };
        let one = create("Observation", "");
        match self {
            Kind::ConditionalCreates => {
                let header = format!("if-none-exist: {condition}\r\n");
                ask(16, own.send("POST", "/fhir/Observation", &header, body.as_bytes()))
            }
            Kind::ConditionalUpdates => {
                ask(16, own.send("PUT", &format!("/fhir/Observation?{condition}"), "", body.as_bytes()))
            }
            Kind::ConditionalDeletes => ask(16, own.head("DELETE", &format!("/fhir/Observation?{condition}"), "")),
            Kind::ConditionsInTransactions => {
                let entry = create("Observation", &format!(r#","ifNoneExist":"{condition}""#));
                ask(16, own.bundle("transaction", &vec![entry; 20]))
            }
            Kind::SearchesBesideWrites => {
                let search = reads(&format!("Observation?{condition}"));
                let mut entries = vec![search; 50];
                entries.push(one);
                ask(16, own.bundle("transaction", &entries))
            }
            Kind::BatchesOfRecords => ask(8, own.bundle("batch", &everything(3_000))),
            Kind::TransactionsOfRecords => ask(8, own.bundle("transaction", &everything(3_000))),
            Kind::Writes => ask(32, own.send("POST", "/fhir/Observation", "", body.as_bytes())),
            Kind::BatchesOfWrites => ask(8, own.bundle("batch", &vec![one; 2_000])),
            Kind::TransactionsOfWrites => ask(8, own.bundle("transaction", &vec![one; 2_000])),
            Kind::Evaluate => ask(16, own.send("POST", "/fhir/Consent/$evaluate", "", evaluated().as_bytes())),
            Kind::Patches => {
                ask(16, patch(own, &vec![r#"{"op":"test","path":"/lifecycleStatus","value":"active"}"#; 900]))
            }
            Kind::CopyingPatches => {
                let copies = vec![r#"{"op":"copy","from":"/note/0","path":"/note/-"}"#; 900];
                ask(16, patch(own, &copies))
            }
            Kind::DeepJson => {
                let deep = format!("{}{}", r#"{"a":"#.repeat(BODY / 12), "}".repeat(BODY / 12));
                ask(16, own.send("POST", "/fhir/Observation", "", deep.as_bytes()))
            }
            Kind::WideJson => ask(16, own.send("POST", "/fhir/Observation", "", many_notes(BODY / 14).as_bytes())),
            Kind::WideXml => {
                let body = many_notes_in_xml(BODY / 32);
                ask(
                    16,
                    own.send("POST", "/fhir/Observation", "content-type: application/fhir+xml\r\n", body.as_bytes()),
                )
            }
            Kind::Validate => {
                let body = many_notes(BODY / 14).replace(r#"{"text":"a"}"#, r#"{"tex":"a"}"#);
                ask(16, own.send("POST", "/fhir/Observation/$validate", "", body.as_bytes()))
            }
            _ => (0, Attack::Ask(Vec::new())),
        }
    }
}

fn trickle(start: &[u8], part: &[u8]) -> Attack {
    Attack::Unending { start: start.to_vec(), part: part.to_vec(), every: Some(SLOWLY) }
}

fn announced(length: usize) -> String {
    format!("content-type: application/fhir+json\r\ncontent-length: {length}\r\n")
}

/// Chunks as fast as a line of some gigabit brings them.
fn endless(from: From<'_>, method: &str, path: &str) -> Attack {
    let start = from.head(method, path, "content-type: application/fhir+json\r\ntransfer-encoding: chunked\r\n");
    let part = format!("4000\r\n{}\r\n", " ".repeat(0x4000)).into_bytes();
    Attack::Unending { start, part, every: Some(LINE) }
}

fn bomb(from: From<'_>) -> Vec<u8> {
    from.send("POST", "/fhir/Observation", "content-encoding: gzip\r\n", &packed(200_000_000))
}

/// Tokens of the right form that nobody signed, each another.
fn bad_tokens(token: &str) -> Vec<Vec<u8>> {
    let (signed, signature) = token.rsplit_once('.').unwrap_or((token, ""));
    let other = |number: usize| {
        let end = signature.get(8..).unwrap_or_default();
        From(Some(&format!("{signed}.{number:08}{end}"))).get("/fhir/Patient/hostile-patient")
    };
    (0..2_000).map(other).collect()
}

/// What the server can do in every form, and in some that nobody has asked for before.
fn capabilities(nobody: From<'_>) -> Vec<Vec<u8>> {
    let of = |query: &str, more: &str| nobody.head("GET", &format!("/fhir/metadata{query}"), more);
    let mut all = Vec::new();
    for query in ["", "?_format=xml", "?_pretty=true", "?_format=xml&_pretty=true", "?mode=terminology&_format=xml"] {
        for packed in ["", "accept-encoding: gzip\r\n", "accept-encoding: br\r\n"] {
            all.push(of(query, packed));
        }
    }
    all.push(of("", "accept: text/html\r\n"));
    all.push(of("", "accept: text/html\r\naccept-encoding: br\r\n"));
    all.extend((0..20).map(|number| of(&format!("?_elements=rest,x{number}&_format=xml"), "accept-encoding: br\r\n")));
    all
}

/// A large answer.
fn large(own: From<'_>) -> Vec<u8> {
    own.get(&format!("/fhir/Observation?patient={PATIENT}&code=8310-5&_count=1000"))
}

fn everything(times: usize) -> Vec<String> {
    vec![reads(&format!("Patient/{PATIENT}/$everything?_count=1000")); times]
}

fn patch(own: From<'_>, operations: &[&str]) -> Vec<u8> {
    let body = format!("[{}]", operations.join(","));
    let kind = "content-type: application/json-patch+json\r\n";
    own.send("PATCH", "/fhir/Goal?identifier=urn:hostile%7C1", kind, body.as_bytes())
}

/// A question about as much as one may ask at once.
fn evaluated() -> String {
    let reference = |name: &str, of: &str| format!(r#"{{"name":"{name}","valueReference":{{"reference":"{of}"}}}}"#);
    let mut all =
        vec![reference("patient", &format!("Patient/{PATIENT}")), reference("actor", &format!("Patient/{PATIENT}"))];
    all.extend((0..40).map(|number| reference("resource", &format!("Observation/hostile-dense-{number}"))));
    format!(r#"{{"resourceType":"Parameters","parameter":[{}]}}"#, all.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_does_something() {
        for kind in Kind::all() {
            let (connections, attack) = kind.attack("head.body.0123456789abcdef", "other.body.0123456789abcdef");
            assert!(connections > 0, "{kind:?}");
            match attack {
                Attack::Ask(requests) => assert!(!requests.is_empty(), "{kind:?}"),
                Attack::Unending { start, .. } => assert!(!start.is_empty(), "{kind:?}"),
                Attack::ReadSlowly { requests, .. } | Attack::Pipeline { requests } => {
                    assert!(!requests.is_empty(), "{kind:?}")
                }
            }
        }
    }
}
