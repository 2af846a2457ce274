use std::io::Write as _;

use super::*;

/// A member of an archive, as tar writes it.
fn member(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = vec![0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    let size = format!("{:011o}", content.len());
    header[124..135].copy_from_slice(size.as_bytes());
    header[156] = b'0';
    header[257..262].copy_from_slice(b"ustar");
    header.extend_from_slice(content);
    header.resize(512 + content.len().div_ceil(512) * 512, 0);
    header
}

/// A package in a file of its own.
fn file(name: &str, archive: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("concord-package-{}-{name}", std::process::id()));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(archive).unwrap();
    std::fs::write(&path, packed.finish().unwrap()).unwrap();
    path
}

fn refusal(name: &str, archive: &[u8]) -> String {
    let path = file(name, archive);
    let said = Package::read(&path).err().unwrap();
    std::fs::remove_file(path).unwrap();
    said
}

const PROFILE: &str = r#"{"resourceType":"StructureDefinition","url":"http://example.org/p","version":"1","type":"Patient",
    "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint","text":{"div":"long"},
    "differential":{"element":[{"id":"Patient.name","path":"Patient.name","min":1}]}}"#;

#[test]
fn the_profiles_of_a_package_are_read_and_nothing_else() {
    let mut archive = member("package/package.json", br#"{"name":"example.guide","version":"1.2.3"}"#);
    archive.extend(member("package/StructureDefinition-p.json", PROFILE.as_bytes()));
    archive.extend(member("package/ValueSet-v.json", br#"{"resourceType":"ValueSet"}"#));
    archive.extend(member("package/.index.json", b"{}"));
    archive.extend(member("package/example/StructureDefinition-q.json", PROFILE.as_bytes()));
    archive.extend(member("package/StructureDefinition-again.json", PROFILE.as_bytes()));
    let of_r5 = PROFILE
        .replace("example.org/p", "example.org/r5")
        .replace("\"version\"", "\"fhirVersion\":\"5.0.0\",\"version\"");
    archive.extend(member("package/StructureDefinition-r5.json", of_r5.as_bytes()));
    archive.extend([0; 1024]);
    let path = file("good", &archive);
    let package = Package::read(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    assert_eq!((package.description.name.as_str(), package.other), ("example.guide#1.2.3", 1));
    let of_r5 = "StructureDefinition-r5.json: StructureDefinition.fhirVersion: it is for FHIR 5.0.0, and this server is of FHIR 4.0";
    assert_eq!(package.unread, [of_r5]);
    let [only] = package.definitions.as_slice() else { panic!("{:?}", package.definitions) };
    let read = concord_profile::library::read_line(&only.body).unwrap();
    assert!(read.url == only.url && !only.body.contains("long"), "{}", only.body);
}

#[test]
fn what_is_no_package_or_beyond_a_limit_is_refused_in_one_line() {
    assert!(
        refusal("plain", b"no archive at all, but something longer than a block".repeat(20).as_slice())
            .ends_with("it is no gzipped tar archive")
    );
    let nameless = member("package/StructureDefinition-p.json", PROFILE.as_bytes());
    assert!(refusal("nameless", &nameless).contains("package/package.json is missing"));
    let named = member("package/package.json", br#"{"name":"empty","version":"1"}"#);
    assert!(refusal("empty", &named).contains("there is no profile or extension in empty#1"));
    let mut cut = member("package/package.json", br#"{"name":"empty","version":"1"}"#);
    cut.truncate(600);
    assert!(refusal("cut", &cut).ends_with("it ends too early"));
    // A member that says that it is larger than may be is not unpacked.
    let mut large = member("package/large.json", b"{}");
    large[124..135].copy_from_slice(b"77777777777");
    assert!(refusal("large", &large).contains("more than 32 MB"));
}

/// Of a package that is damaged, or for another release, nothing is used, and each fault is told with its file.
#[test]
fn a_package_is_used_as_a_whole_or_not_at_all() {
    let named = |more: &str| {
        let description = format!(r#"{{"name":"example.guide","version":"1"{more}}}"#);
        let mut archive = member("package/package.json", description.as_bytes());
        archive.extend(member("package/p.json", PROFILE.as_bytes()));
        archive
    };
    let with = |file: &str, content: &[u8]| {
        let mut archive = named("");
        archive.extend(member(file, content));
        archive
    };
    let latin: Vec<u8> = PROFILE.replace("example.org/p", "example.org/caf\u{e9}").chars().map(|c| c as u8).collect();
    let other = PROFILE.replace("\"min\":1", "\"min\":2");
    for (number, (archive, words)) in [
        (with("package/latin.json", &latin), &["latin.json: it is not UTF-8, from byte "][..]),
        (with("package/ValueSet-v.json", b"\xFF\xFE{\0}\0"), &["ValueSet-v.json: it is not UTF-8, from byte 1 on"]),
        (with("package/bad.json", b"{"), &["bad.json: it is not JSON", "nothing of it is taken into use"]),
        (with("package/other.json", other.as_bytes()), &["p.json and other.json both define http://example.org/p|1"]),
        (named(r#","fhirVersions":["5.0.0"]"#), &["it is for FHIR 5.0.0"]),
        (named(r#","fhir-version-list":["3.0.2","4.3.0"]"#), &["it is for FHIR 3.0.2, 4.3.0"]),
        (member("package/package.json", br#"{"name":"example.guide"}"#), &["no version"]),
        (member("package/package.json", br#"["x"]"#), &["package.json"]),
        (member("package/package.json", br#"{"name":"../x","version":"1"}"#), &["\"../x\" is no name of a package"]),
        (
            with("package/package.json", br#"{"name":"example.guide","version":"2"}"#),
            &["package.json is there twice: as example.guide#1 and as example.guide#2"],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let said = refusal(&format!("fault-{number}"), &archive);
        assert!(words.iter().all(|words| said.contains(words)) && !said.contains('\n'), "{words:?}: {said}");
    }
    for fits in
        [r#","fhirVersions":["4.0.1"]"#, r#","fhirVersions":["5.0.0","4.0.1"]"#, r#","fhir-version-list":["4.0.0"]"#]
    {
        let path = file("fits", &named(fits));
        assert!(Package::read(&path).is_ok(), "{fits}");
        std::fs::remove_file(path).unwrap();
    }
    let marked = [b"\xEF\xBB\xBF", PROFILE.replace("example.org/p", "example.org/marked").as_bytes()].concat();
    let path = file("marked", &with("package/marked.json", &marked));
    assert_eq!(Package::read(&path).unwrap().definitions.len(), 2);
    std::fs::remove_file(path).unwrap();
}

/// Nothing of an archive is written anywhere, whatever its files are called, and what is more than may be in use is not kept
/// while the rest is read.
#[test]
fn names_lead_nowhere_and_there_is_an_end() {
    let mut archive = member("package/package.json", br#"{"name":"example.guide","version":"1"}"#);
    for name in ["package/../../../tmp/x.json", "../package/x.json", "/package/x.json", "package\\..\\x.txt"] {
        archive.extend(member(name, PROFILE.as_bytes()));
    }
    assert!(refusal("names", &archive).contains("there is no profile or extension"));
    for number in 0..MOST_DEFINITIONS + 20 {
        let profile = PROFILE.replace("example.org/p", &format!("example.org/p{number}"));
        archive.extend(member(&format!("package/p{number}.json"), profile.as_bytes()));
    }
    let path = file("many", &archive);
    let package = Package::read(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    assert_eq!(package.definitions.len(), MOST_DEFINITIONS + 1);
}
