//! The members of a gzipped tar archive, one after the other, within limits: what an archive says of its own size is not
//! believed.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

/// How large the file may be.
const LARGEST_FILE: u64 = 100 * 1024 * 1024;
/// How large all that is in it may be, unpacked.
const LARGEST_WHOLE: u64 = 1024 * 1024 * 1024;
/// How large one member may be that is read.
const LARGEST_MEMBER: u64 = 32 * 1024 * 1024;
/// How many members there may be.
const MOST_MEMBERS: usize = 50_000;
/// The unit in which an archive is written.
const BLOCK: usize = 512;

/// Gives each file of an archive to `take`, with its name.
///
/// # Errors
/// One line: when it cannot be read, is no such archive, or is beyond a limit.
pub(super) fn members(path: &Path, take: &mut dyn FnMut(&str, &[u8])) -> Result<(), String> {
    let failed = |said: String| format!("{}: {said}", path.display());
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let size = file.metadata().map_err(|error| failed(error.to_string()))?.len();
    if size > LARGEST_FILE {
        return Err(failed(format!("a package may have {} MB, and this has {}", LARGEST_FILE >> 20, size >> 20)));
    }
    read(&mut MultiGzDecoder::new(BufReader::new(file)), take).map_err(failed)
}

/// The same for what is unpacked already.
fn read(unpacked: &mut dyn Read, take: &mut dyn FnMut(&str, &[u8])) -> Result<(), String> {
    let mut whole = unpacked.take(LARGEST_WHOLE + 1);
    let done = walk(&mut whole, take);
    // Whatever it was in the middle of, there is more than is read.
    if whole.limit() == 0 {
        return Err(format!("what is in it has more than {} MB", LARGEST_WHOLE >> 20));
    }
    done
}

/// Gives each file to `take`, one after the other.
fn walk(whole: &mut dyn Read, take: &mut dyn FnMut(&str, &[u8])) -> Result<(), String> {
    let mut long_name = None;
    for _ in 0..MOST_MEMBERS {
        let Some(header) = block(whole)? else { return Ok(()) };
        if header.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let member = Header::of(&header)?;
        if member.size > LARGEST_MEMBER {
            return Err(format!("a file in it has more than {} MB: {}", LARGEST_MEMBER >> 20, member.name));
        }
        let bytes = content(whole, member.size)?;
        match member.kind {
            b'0' | 0 => take(&long_name.take().unwrap_or(member.name), &bytes),
            // The name of the next one, where it is long.
            b'L' => long_name = Some(text(&bytes).to_owned()),
            b'x' => long_name = path_of(&bytes).map(str::to_owned),
            _ => {}
        }
    }
    Err(format!("there are more than {MOST_MEMBERS} files in it"))
}

/// The head of a member.
struct Header {
    name: String,
    size: u64,
    kind: u8,
}

impl Header {
    fn of(block: &[u8; BLOCK]) -> Result<Header, String> {
        let field = |from: usize, to: usize| block.get(from..to).unwrap_or_default();
        if field(257, 262) != b"ustar" {
            return Err("it is no gzipped tar archive".to_owned());
        }
        let octal = text(field(124, 136)).trim();
        let size = u64::from_str_radix(octal, 8).map_err(|_| "it is a damaged archive".to_owned())?;
        let (prefix, name) = (text(field(345, 500)), text(field(0, 100)));
        let name = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        Ok(Header { name, size, kind: field(156, 157).first().copied().unwrap_or_default() })
    }
}

/// A text that ends with the first zero.
fn text(bytes: &[u8]) -> &str {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    std::str::from_utf8(bytes.get(..end).unwrap_or_default()).unwrap_or_default()
}

/// The path in an extended header: lines of `LENGTH NAME=VALUE`.
fn path_of(bytes: &[u8]) -> Option<&str> {
    let lines = std::str::from_utf8(bytes).ok()?;
    lines.lines().find_map(|line| line.split_once(' ')?.1.strip_prefix("path="))
}

/// The next block; nothing at the end.
fn block(whole: &mut dyn Read) -> Result<Option<[u8; BLOCK]>, String> {
    let mut block = [0; BLOCK];
    let mut filled = 0;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match whole.read(rest).map_err(|error| format!("it cannot be unpacked: {error}"))? {
            0 if filled == 0 => return Ok(None),
            0 => return Err("it ends too early".to_owned()),
            read => filled += read,
        }
    }
    Ok(Some(block))
}

/// The content of a member, which fills up its last block.
fn content(whole: &mut dyn Read, size: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let blocks = size.div_ceil(BLOCK as u64);
    for _ in 0..blocks {
        bytes.extend(block(whole)?.ok_or("it ends too early")?);
    }
    bytes.truncate(usize::try_from(size).unwrap_or_default());
    Ok(bytes)
}
