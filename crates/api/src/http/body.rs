//! The body of a request, read once it is known who asks: with its encoding taken off as it comes in, and bounded in size,
//! in how many times it may grow when it is unpacked, in time, and in what all bodies take together.

use std::io::{self, Write};
use std::time::Duration;

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::rt::time::timeout;
use actix_web::web::{Bytes, Payload};
use concord_consent::caller::Caller;
use concord_fhir::issue::{Issue, IssueCode};
use flate2::write::{MultiGzDecoder, ZlibDecoder};
use futures_util::{Stream, StreamExt};

use super::headers::{CONTENT_ENCODING, once};
use super::line::{Beyond, Line};
use super::share::{Allowance, Shares, Short};
use crate::error::ApiError;
use crate::interact::slots::Slots;

/// Up to how many bytes a body that is not packed is looked at where it has arrived. What is larger, or packed, takes as long as
/// its sender decides.
const SMALL: usize = 64 * 1024;

/// How many bytes may come of one that arrived, beyond the first [`FREE`] ones. FHIR packs to a tenth or a twentieth.
const RATIO: usize = 100;

/// So many bytes may come of few.
const FREE: usize = 1024 * 1024;

/// Up to how many bytes a body does not wait for larger ones.
const MEDIUM: usize = 512 * 1024;

/// The part of the room for all bodies that one caller may have.
const PARTS: usize = 4;

/// How many times its length a large body is expected to take with what is made of it.
const MADE: usize = 6;

/// How many bytes a large body grows by while it comes.
const PIECE: usize = 64 * 1024;

/// How many bytes a value of JSON, or an element or attribute of XML, takes at most in memory, on average.
const VALUE: usize = 64;

/// What bodies may take.
pub struct Bodies {
    /// What small bodies take, which do not wait.
    small: Shares,
    /// What larger ones take.
    medium: Line,
    /// What the largest take.
    large: Line,
    /// What one takes beside that, of which more is made than was expected.
    beyond: Beyond,
    largest: usize,
    within: Duration,
    /// Where large and packed bodies wait to be unpacked and read.
    places: Slots,
}

/// A body that has arrived.
pub(super) struct Held {
    /// What arrived, without its encoding.
    bytes: Vec<u8>,
    /// What it takes of the room for bodies.
    room: Allowance,
}

impl Held {
    /// The same without its encoding, which is no more than so many bytes and takes of that room.
    fn unpack(&self, encoding: Encoding, limit: usize, room: Allowance) -> io::Result<Held> {
        let into = Bounded::unpacking(limit, room, self.bytes.len());
        let unpacked = match encoding {
            Encoding::Gzip => {
                let mut decoder = MultiGzDecoder::new(into);
                decoder.write_all(&self.bytes).and_then(|()| decoder.finish())
            }
            Encoding::Deflate => {
                let mut decoder = ZlibDecoder::new(into);
                decoder.write_all(&self.bytes).and_then(|()| decoder.finish())
            }
            Encoding::Identity => {
                let mut into = into;
                into.write_all(&self.bytes).map(|()| into)
            }
        };
        unpacked.map(Bounded::held)
    }

    /// The same without its encoding, in its own room.
    fn unpacked(mut self, encoding: Encoding, limit: usize) -> Result<Held, ApiError> {
        if encoding == Encoding::Identity {
            return Ok(self);
        }
        let room = self.room.handed_on();
        let mut held = self.unpack(encoding, limit, room).map_err(|error| api_error(&error))?;
        held.room.give_back(self.bytes.len());
        Ok(held)
    }

    /// How many bytes the values take that will be made of it.
    fn made(&self) -> usize {
        // Every byte of a body is looked at: without branches, and counted in as little as it takes, many are at once.
        let begins = |byte: &u8| {
            let byte = *byte;
            u8::from(
                (byte == b',') | (byte == b':') | (byte == b'[') | (byte == b'{') | (byte == b'<') | (byte == b'='),
            )
        };
        let some = |bytes: &[u8]| usize::from(bytes.iter().map(begins).sum::<u8>());
        self.bytes.chunks(usize::from(u8::MAX)).map(some).sum::<usize>() * VALUE
    }
}

impl Bodies {
    /// Bodies of `largest` bytes at most, `together` at a time, each of which arrives `within` a time. So many large ones are
    /// looked at at once.
    #[must_use]
    pub fn new(largest: usize, together: usize, within: Duration, at_once: usize) -> Bodies {
        let together = together.max(largest.saturating_mul(PARTS));
        Bodies {
            small: Shares::new(together / 8, 2, largest.min(SMALL)),
            medium: Line::new(together / 8, 2, largest.min(MEDIUM)),
            large: Line::new(together / 2, 2, largest),
            beyond: Beyond::new(together / PARTS),
            largest,
            within,
            places: Slots::new(at_once),
        }
    }

    /// Reads a body as it comes, and takes its encoding off: the bytes, and what they count for with what will be made of
    /// them.
    ///
    /// # Errors
    /// [`ApiError::TooLarge`] beyond the limits, [`ApiError::Full`] where all bodies together are beyond theirs and
    /// [`ApiError::OverShare`] where the caller's are, [`ApiError::BodyTooSlow`] when it has not arrived in time,
    /// [`ApiError::MediaType`] for an encoding that is not known, and [`ApiError::Malformed`] for a body that does not arrive
    /// whole.
    pub(super) async fn read(
        &self,
        caller: &Caller,
        payload: &mut Payload,
        headers: &HeaderMap,
    ) -> Result<(Vec<u8>, Allowance), ApiError> {
        let announced =
            headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > self.largest) {
            return Err(too_large());
        }
        let named = once(headers, &CONTENT_ENCODING)?.map_or(Ok("identity"), HeaderValue::to_str).unwrap_or("?");
        let encoding = Encoding::of(named.trim())?;
        let held = self.arrived(caller, payload, announced, encoding).await?;
        let mut held = self.unpacked(caller, held, encoding).await?;
        if !held.room.has_waited() {
            let made = held.made();
            if held.room.take_beside(made).is_err() {
                let all = held.bytes.len().saturating_add(made);
                held.room.move_to(self.medium.expect(caller, all, self.within).await?)?;
                self.beyond.fit(caller, &mut held.room, made, self.within).await?;
            }
        } else {
            let is_small = held.bytes.len() <= SMALL;
            let (made, counted) = self.apart(caller, is_small, move || Ok((held.made(), held))).await?;
            held = counted;
            self.beyond.fit(caller, &mut held.room, made, self.within).await?;
        }
        held.room.settle();
        Ok((held.bytes, held.room))
    }

    /// Waits for room for what a body of so many bytes may need at most.
    async fn expect(&self, caller: &Caller, bytes: usize, encoding: Encoding) -> Result<Allowance, ApiError> {
        let packed = bytes.saturating_mul(RATIO).saturating_add(FREE).min(self.largest);
        let most = match encoding {
            Encoding::Identity => bytes.saturating_mul(1 + MADE),
            _ => packed.saturating_mul(1 + MADE).saturating_add(bytes),
        };
        let line = if most <= MEDIUM * (1 + MADE) { &self.medium } else { &self.large };
        line.expect(caller, most, self.within).await
    }

    /// The body as it was sent. A large one comes when there is room for it and for what will be made of it: it is not refused
    /// half way.
    async fn arrived(
        &self,
        caller: &Caller,
        payload: &mut Payload,
        announced: Option<usize>,
        encoding: Encoding,
    ) -> Result<Held, ApiError> {
        let small = Allowance::of(&self.small.of(caller));
        let (room, most) = match announced {
            Some(length) if length > SMALL => (self.expect(caller, length, encoding).await?, usize::MAX),
            _ => (small, SMALL),
        };
        let mut into = Bounded::new(self.largest, room, announced);
        if let Some(next) = self.arrive(&mut into, payload, most).await? {
            // It did not say that it is large.
            into.room.move_to(self.expect(caller, self.largest, encoding).await?)?;
            into.write_all(&next).map_err(|error| api_error(&error))?;
            self.arrive(&mut into, payload, usize::MAX).await?;
        }
        Ok(into.held())
    }

    /// The same without its encoding. What is small packed and unpacked waits for nobody.
    async fn unpacked(&self, caller: &Caller, mut held: Held, encoding: Encoding) -> Result<Held, ApiError> {
        if encoding == Encoding::Identity {
            return Ok(held);
        }
        if !held.room.has_waited() {
            let (most, room) = (SMALL.min(self.largest), Allowance::of(&self.small.of(caller)));
            match held.unpack(encoding, most, room) {
                Ok(unpacked) => return Ok(unpacked),
                Err(error) if most < self.largest && is_beyond(&error) => {}
                Err(error) => return Err(api_error(&error)),
            }
            held.room.move_to(self.expect(caller, held.bytes.len(), encoding).await?)?;
        }
        let limit = self.largest;
        self.apart(caller, false, move || held.unpacked(encoding, limit)).await
    }

    /// Does something about a body: where it is if that is small, else where no other request of this thread waits for it, once
    /// it is the caller's turn.
    ///
    /// # Errors
    /// Those of the work, and those of [`Slots::enter`].
    pub(super) async fn apart<T: Send + 'static>(
        &self,
        caller: &Caller,
        is_small: bool,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        if is_small {
            return work();
        }
        let place = self.places.enter(caller).await?;
        let stopped = |_| ApiError::Internal("a body could not be read to its end".to_owned());
        concord_store::apart(place, work).await.map_err(stopped)?
    }

    /// Takes in what comes, until that would be more than so many bytes: then what comes next is the answer.
    async fn arrive<E>(
        &self,
        into: &mut Bounded,
        chunks: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
        most: usize,
    ) -> Result<Option<Bytes>, ApiError> {
        let all = async {
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk.map_err(|_| broken())?;
                if into.length.saturating_add(chunk.len()) > most {
                    return Ok(Some(chunk));
                }
                into.write_all(&chunk).map_err(|error| api_error(&error))?;
            }
            Ok(None)
        };
        timeout(self.within, all).await.unwrap_or(Err(ApiError::BodyTooSlow(self.within.as_secs())))
    }
}

/// Whether a body is small enough for what is made of it to be made at once.
pub(super) fn is_small(bytes: &[u8]) -> bool {
    bytes.len() <= SMALL
}

/// The encodings that are taken off, and none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    Deflate,
}

impl Encoding {
    fn of(name: &str) -> Result<Encoding, ApiError> {
        match name.to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Encoding::Identity),
            "gzip" => Ok(Encoding::Gzip),
            "deflate" => Ok(Encoding::Deflate),
            _ => Err(ApiError::MediaType(
                "the body has a Content-Encoding other than identity, gzip, deflate".to_owned(),
            )),
        }
    }
}

/// Bytes up to a limit: a small body that is a large one when its encoding is off never becomes large, and none takes
/// memory that it has not been given. They are kept in pieces while they come: one buffer that grows would leave behind what it
/// was before, twice over.
struct Bounded {
    /// All but the last are full.
    pieces: Vec<Vec<u8>>,
    length: usize,
    limit: usize,
    /// How many bytes are expected at most: memory for more is not taken before they come.
    expected: usize,
    /// How many bytes may have come of what has arrived; none where it is not packed.
    grown: Option<usize>,
    room: Allowance,
}

/// Why no more is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Stop {
    #[error("the body is larger than max_body_bytes")]
    Limit,
    #[error("the body unpacks to more than a hundred times what was sent")]
    Ratio,
    #[error("no room for the body")]
    Room(Short),
}

impl Bounded {
    fn new(limit: usize, room: Allowance, announced: Option<usize>) -> Bounded {
        let expected = announced.map_or(limit, |length| length.min(limit));
        Bounded { pieces: Vec::new(), length: 0, limit, expected, grown: None, room }
    }

    /// What comes of so many bytes that are packed.
    fn unpacking(limit: usize, room: Allowance, packed: usize) -> Bounded {
        let grown = Some(packed.saturating_mul(RATIO).saturating_add(FREE));
        Bounded { grown, ..Bounded::new(limit, room, None) }
    }

    /// The body, with the memory that it fills and no more.
    fn held(mut self) -> Held {
        self.room.give_back(self.space());
        let bytes = match self.pieces.len() {
            0 | 1 => {
                let mut only = self.pieces.pop().unwrap_or_default();
                only.shrink_to_fit();
                only
            }
            _ => {
                // A piece is given back before the next is copied, so that the body is not there twice.
                let mut whole = Vec::with_capacity(self.length);
                std::mem::take(&mut self.pieces).into_iter().for_each(|piece| whole.extend_from_slice(&piece));
                whole
            }
        };
        Held { bytes, room: self.room }
    }

    /// How many bytes the last piece has room for.
    fn space(&self) -> usize {
        self.pieces.last().map_or(0, |last| last.capacity() - last.len())
    }

    /// Gets memory for more bytes, at least one: for as many as there are already, but for no more than a piece.
    fn grow(&mut self, more: usize) -> Result<(), Stop> {
        let left = self.expected.saturating_sub(self.length).max(more);
        let wanted = self.length.max(more).min(left).clamp(1, PIECE);
        self.room.take_beside(wanted).map_err(Stop::Room)?;
        match self.pieces.last_mut() {
            // A small body is in one.
            Some(last) if last.capacity() + wanted <= PIECE => last.reserve_exact(wanted),
            _ => self.pieces.push(Vec::with_capacity(wanted)),
        }
        Ok(())
    }

    /// Adds bytes that there is a limit for.
    fn add(&mut self, mut chunk: &[u8]) -> Result<(), Stop> {
        while !chunk.is_empty() {
            if self.space() == 0 {
                self.grow(chunk.len())?;
            }
            let (now, later) = chunk.split_at(chunk.len().min(self.space()));
            if let Some(last) = self.pieces.last_mut() {
                last.extend_from_slice(now);
            }
            self.length += now.len();
            chunk = later;
        }
        Ok(())
    }
}

impl Write for Bounded {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        let length = self.length.saturating_add(chunk.len());
        if length > self.limit {
            return Err(io::Error::other(Stop::Limit));
        }
        if self.grown.is_some_and(|grown| length > grown) {
            return Err(io::Error::other(Stop::Ratio));
        }
        self.add(chunk).map_err(io::Error::other)?;
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether there was more than the limit.
fn is_beyond(error: &io::Error) -> bool {
    let stop = error.get_ref().and_then(|inner| inner.downcast_ref::<Stop>());
    matches!(stop, Some(Stop::Limit))
}

fn api_error(error: &io::Error) -> ApiError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Stop>()) {
        Some(Stop::Limit) => too_large(),
        Some(stop @ Stop::Ratio) => ApiError::TooLarge(stop.to_string()),
        Some(Stop::Room(short)) => (*short).into(),
        None => broken(),
    }
}

fn too_large() -> ApiError {
    ApiError::TooLarge(Stop::Limit.to_string())
}

fn broken() -> ApiError {
    ApiError::Malformed(vec![Issue::plain(IssueCode::Structure, "the body did not arrive whole")])
}

#[cfg(test)]
mod tests;
