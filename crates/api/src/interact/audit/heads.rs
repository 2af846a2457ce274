//! Heads of the chain that are kept where the database is not, signed: a line of JSON each. And that a backup has been restored,
//! which explains why the chain no longer leads through the heads of after it.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use concord_fhir::json::{self, Value};

use super::chain::{self, Head};
use crate::interact::{Service, base64, base64_bytes, instant};

/// How often a head is kept, at most.
const EVERY: Duration = Duration::from_secs(60);

/// The longest line that can be one, in bytes.
const LONGEST: usize = 10_000;

/// The longest reason for a restore, in bytes.
const LONGEST_REASON: usize = 1_000;

/// The key that heads are signed with.
pub(crate) struct Key(Ed25519KeyPair);

impl Key {
    /// The key in the file, made when there is none; only its owner can read it.
    ///
    /// # Errors
    /// One line, when the file cannot be read or made, or holds something else.
    pub(crate) fn open(path: &Path) -> Result<Key, String> {
        let name = path.display();
        let wrong = || format!("{name}: no Ed25519 key in PKCS#8");
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let made =
                    Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).map_err(|_| wrong())?;
                OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(path)
                    .and_then(|mut file| file.write_all(made.as_ref()).and_then(|()| file.sync_all()))
                    .map_err(|error| format!("{name}: {error}"))?;
                made.as_ref().to_vec()
            }
            Err(error) => return Err(format!("{name}: {error}")),
        };
        Ed25519KeyPair::from_pkcs8(&bytes).map(Key).map_err(|_| wrong())
    }

    /// The public half, in base64.
    pub(crate) fn public(&self) -> String {
        base64(self.0.public_key().as_ref())
    }

    /// The signature of a message, in base64.
    pub(crate) fn sign(&self, message: &str) -> String {
        base64(self.0.sign(message.as_bytes()).as_ref())
    }
}

/// Whether a message was signed with that key; both in base64.
pub(crate) fn is_signed(message: &str, public_key: &str, signature: &str) -> bool {
    let (Some(key), Some(signature)) = (base64_bytes(public_key), base64_bytes(signature)) else { return false };
    UnparsedPublicKey::new(&ED25519, key).verify(message.as_bytes(), &signature).is_ok()
}

/// What is signed of a head, or of a restore to it for a reason.
fn message(head: &Head, restored: Option<&str>) -> String {
    match restored {
        None => format!("concord audit head 1\n{}\n{}\n{}\n", head.number, head.at, head.head),
        Some(reason) => format!("concord audit restored 1\n{}\n{}\n{}\n{reason}\n", head.number, head.at, head.head),
    }
}

/// A head, or with a reason that a backup of that head was restored, as a line of JSON.
pub(crate) fn signed(head: &Head, restored: Option<&str>, key: &Key) -> String {
    let mut value = Value::object([
        ("number", Value::Number(head.number.to_string().into())),
        ("at", Value::Number(head.at.to_string().into())),
        ("head", Value::string(head.head.as_str())),
        ("publicKey", Value::string(key.public())),
        ("signature", Value::string(key.sign(&message(head, restored)))),
    ]);
    if let (Some(object), Some(reason)) = (value.as_object_mut(), restored) {
        object.set("restored", Value::string(reason));
    }
    json::to_string(&value)
}

/// A line that was kept.
struct Line {
    head: Head,
    restored: Option<String>,
    public_key: String,
}

/// Reads a line and checks its signature; what is wrong with it if that cannot be done.
fn line(text: &[u8]) -> Result<Line, &'static str> {
    const OTHER: &str = "not a head that `concord audit head` printed";
    let value = json::parse(text, &json::Limits { bytes: LONGEST, ..json::Limits::default() }).map_err(|_| OTHER)?;
    let number =
        |part: &str| value.get(part).and_then(Value::as_number).and_then(|text| text.parse().ok()).ok_or(OTHER);
    let text = |part: &str| value.text(part).map(str::to_owned).ok_or(OTHER);
    let head = Head { number: number("number")?, at: number("at")?, head: text("head")? };
    let restored = value.text("restored").map(str::to_owned);
    let (public_key, signature) = (text("publicKey")?, text("signature")?);
    match is_signed(&message(&head, restored.as_deref()), &public_key, &signature) {
        true => Ok(Line { head, restored, public_key }),
        false => Err("the signature is wrong"),
    }
}

/// What a file of heads tells.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// The heads that the chain must lead through, by their numbers.
    pub(crate) heads: Vec<Head>,
    /// What else is to be said of it, a sentence each.
    pub(crate) remarks: Vec<String>,
}

/// The heads of a file, each signed with the key that is given, or all with one. Those of before a restore that the restored
/// backup did not have any more are left out, and told of.
///
/// # Errors
/// One line, when it cannot be read, or one of its lines is no head or is signed wrongly.
pub(crate) fn read(path: &Path, public_key: Option<&str>) -> Result<Kept, String> {
    let name = path.display();
    let mut file = BufReader::new(File::open(path).map_err(|error| format!("{name}: {error}"))?);
    let mut kept = Kept::default();
    let mut key = public_key.map(str::to_owned);
    let mut bytes = Vec::new();
    for number in 1_usize.. {
        bytes.clear();
        if file.read_until(b'\n', &mut bytes).map_err(|error| format!("{name}: {error}"))? == 0 {
            break;
        }
        let found = match line(&bytes) {
            Ok(found) => found,
            // One that was being written when the machine stopped.
            Err(_) if number > 1 && !bytes.ends_with(b"\n") => {
                kept.remarks.push(format!("{name}: line {number} is not whole"));
                break;
            }
            Err(wrong) => return Err(format!("{name}: line {number}: {wrong}")),
        };
        if *key.get_or_insert_with(|| found.public_key.clone()) != found.public_key {
            return Err(format!("{name}: line {number}: signed with another key"));
        }
        match found.restored {
            None => kept.heads.push(found.head),
            Some(reason) => kept.restored(&found.head, &reason),
        }
    }
    kept.heads.sort_by_key(|head| head.number);
    Ok(kept)
}

impl Kept {
    /// A backup with that head was restored: what came after it is gone.
    fn restored(&mut self, head: &Head, reason: &str) {
        let before = self.heads.len();
        let newest = self.heads.iter().map(|kept| kept.number).max().unwrap_or(0);
        self.heads.retain(|kept| kept.number <= head.number);
        let gone = before - self.heads.len();
        if gone > 0 {
            self.remarks.push(format!(
                "a backup was restored whose newest link was {} ({}): links {} to {newest} of before are gone ({reason})",
                head.number,
                instant(head.at),
                head.number + 1
            ));
        }
        self.heads.push(head.clone());
    }
}

/// A file to which heads are appended while the server runs.
pub(crate) struct HeadFile {
    path: PathBuf,
    key: Key,
    /// The newest head that this process has kept, and when.
    kept: Option<(Head, Instant)>,
}

impl HeadFile {
    /// Opens it, and makes sure that it can be written.
    ///
    /// # Errors
    /// One line, when it or the key cannot be had.
    pub(crate) fn open(path: &Path, key: &Path) -> Result<HeadFile, String> {
        let file = HeadFile { path: path.to_owned(), key: Key::open(key)?, kept: None };
        file.append("")?;
        Ok(file)
    }

    /// Keeps the newest head if there is a new one, once a minute; `now`: at once.
    ///
    /// # Errors
    /// One line, when the database cannot be read or the file cannot be written.
    pub(crate) async fn keep(&mut self, service: &Arc<Service>, now: bool) -> Result<(), String> {
        if self.kept.as_ref().is_some_and(|(_, when)| !now && when.elapsed() < EVERY) {
            return Ok(());
        }
        let head = chain::current_head(service).await.map_err(|fault| fault.to_string())?;
        if head.number == 0 || self.kept.as_ref().is_some_and(|(kept, _)| *kept == head) {
            return Ok(());
        }
        self.append(&format!("{}\n", signed(&head, None, &self.key)))?;
        self.kept = Some((head, Instant::now()));
        Ok(())
    }

    /// Says that a backup has been restored whose newest link is this.
    ///
    /// # Errors
    /// One line, when the file cannot be written or the reason is too long.
    pub(crate) fn restored(&self, head: &Head, reason: &str) -> Result<(), String> {
        if reason.len() > LONGEST_REASON || reason.contains('\n') {
            return Err(format!("--reason: expected one line of at most {LONGEST_REASON} bytes"));
        }
        self.append(&format!("{}\n", signed(head, Some(reason), &self.key)))
    }

    /// In one piece, so that several nodes may share a file on one machine.
    fn append(&self, text: &str) -> Result<(), String> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let done = options.open(&self.path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_data()
        });
        done.map_err(|error| format!("audit_heads: {}: {error}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        let path = std::env::temp_dir().join(format!("concord-heads-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn head(number: i64, text: &str) -> Head {
        Head { number, at: number * 1_000, head: text.to_owned() }
    }

    #[test]
    fn a_restore_explains_what_is_gone_and_nothing_else_does() {
        let folder = folder();
        let (path, key) = (folder.join("heads"), folder.join("key"));
        let file = HeadFile::open(&path, &key).unwrap();
        let keep = |head: &Head| file.append(&format!("{}\n", signed(head, None, &file.key))).unwrap();
        [head(10, "a"), head(20, "b"), head(30, "c")].iter().for_each(keep);
        let read = || super::read(&path, Some(&file.key.public())).unwrap();
        assert_eq!(read().heads.iter().map(|head| head.number).collect::<Vec<_>>(), [10, 20, 30]);
        // Without a word both stand, and the chain cannot lead through both.
        keep(&head(25, "d"));
        assert_eq!(read().heads.len(), 4);
        file.restored(&head(22, "e"), "the disk was broken").unwrap();
        keep(&head(27, "f"));
        let kept = read();
        assert_eq!(kept.heads, [head(10, "a"), head(20, "b"), head(22, "e"), head(27, "f")]);
        assert!(
            kept.remarks[0].contains("links 23 to 30 of before are gone (the disk was broken)"),
            "{:?}",
            kept.remarks
        );
        assert!(file.restored(&head(1, "x"), "two\nlines").is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_line_that_was_changed_or_signed_with_another_key_is_refused() {
        let folder = folder();
        let path = folder.join("heads");
        let (file, other) =
            (HeadFile::open(&path, &folder.join("key")).unwrap(), Key::open(&folder.join("other")).unwrap());
        let good = format!("{}\n", signed(&head(1, "a"), None, &file.key));
        let restored = format!("{}\n", signed(&head(1, "a"), Some("x"), &file.key));
        for (more, wrong) in [
            (good.replace("\"head\":\"a\"", "\"head\":\"b\""), "line 2: the signature is wrong"),
            (restored.replace("\"restored\":\"x\"", "\"restored\":\"y\""), "line 2: the signature is wrong"),
            (good.replace('}', ",\"restored\":\"x\"}"), "line 2: the signature is wrong"),
            (format!("{}\n", signed(&head(2, "b"), None, &other)), "line 2: signed with another key"),
            ("nonsense\n".to_owned(), "line 2: not a head"),
        ] {
            std::fs::write(&path, format!("{good}{more}")).unwrap();
            let told = read(&path, None).unwrap_err();
            assert!(told.contains(wrong), "{wrong}: {told}");
        }
        std::fs::write(&path, format!("{good}{}", good.get(..40).unwrap())).unwrap();
        let kept = read(&path, Some(&file.key.public())).unwrap();
        assert_eq!((kept.heads.len(), kept.remarks.len()), (1, 1), "one that was being written");
        assert!(read(&path, Some(&other.public())).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
