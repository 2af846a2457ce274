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

use super::headers::once;
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
    /// What bodies take.
    shares: Shares,
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
    /// The same without its encoding.
    fn unpacked(self, encoding: Encoding, limit: usize) -> Result<Held, ApiError> {
        if encoding == Encoding::Identity {
            return Ok(self);
        }
        let packed = self.bytes.len();
        let into = Bounded::unpacking(limit, self.room, packed);
        let unpacked = match encoding {
            Encoding::Gzip => {
                let mut decoder = MultiGzDecoder::new(into);
                decoder.write_all(&self.bytes).and_then(|()| decoder.finish())
            }
            _ => {
                let mut decoder = ZlibDecoder::new(into);
                decoder.write_all(&self.bytes).and_then(|()| decoder.finish())
            }
        };
        let mut held = unpacked.map_err(|error| api_error(&error))?.held();
        held.room.give_back(packed);
        Ok(held)
    }

    /// How many bytes the values take that will be made of it.
    fn made(&self) -> usize {
        let begins = |byte: &&u8| matches!(byte, b',' | b':' | b'[' | b'{' | b'<' | b'=');
        self.bytes.iter().filter(begins).count() * VALUE
    }
}

impl Bodies {
    /// Bodies of `largest` bytes at most, `together` at a time, each of which arrives `within` a time. So many large ones are
    /// looked at at once.
    #[must_use]
    pub fn new(largest: usize, together: usize, within: Duration, at_once: usize) -> Bodies {
        Bodies { shares: Shares::new(together, PARTS, largest), largest, within, places: Slots::new(at_once) }
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
        let named = once(headers, "Content-Encoding")?.map_or(Ok("identity"), HeaderValue::to_str).unwrap_or("?");
        let encoding = Encoding::of(named.trim())?;
        let share = self.shares.of(caller);
        // A large one comes when there is room for it and for what will be made of it: it is not refused half way.
        let room = match announced {
            Some(length) if length > SMALL => {
                Allowance::expect(&share, length.saturating_mul(MADE), self.within).await?
            }
            _ => Allowance::of(&share),
        };
        let held = match timeout(self.within, self.arrive(room, payload, announced)).await {
            Ok(read) => read?,
            Err(_) => return Err(ApiError::BodyTooSlow(self.within.as_secs())),
        };
        let (is_small, limit) = (encoding == Encoding::Identity && held.bytes.len() <= SMALL, self.largest);
        let unpack = move || held.unpacked(encoding, limit).map(|held| (held.made(), held));
        let (made, mut held) = self.apart(caller, is_small, unpack).await?;
        // What is made of a small one is not waited for: there are many of them.
        if is_small {
            held.room.take_beside(made)?
        } else {
            held.room.wait_beside(made, self.within).await?
        }
        held.room.settle();
        Ok((held.bytes, held.room))
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
        let _place = self.places.enter(caller).await?;
        let stopped = |_| ApiError::Internal("a body could not be read to its end".to_owned());
        concord_store::apart(work).await.map_err(stopped)?
    }

    async fn arrive<E>(
        &self,
        room: Allowance,
        chunks: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
        announced: Option<usize>,
    ) -> Result<Held, ApiError> {
        let mut into = Bounded::new(self.largest, room, announced);
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| broken())?;
            into.write_all(&chunk).map_err(|error| api_error(&error))?;
        }
        Ok(into.held())
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
mod tests {
    use super::*;
    use crate::http::share::Share;
    use crate::interact::slots::WAITING_EACH;
    use crate::interact::tests::search::patient;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use futures_util::{FutureExt as _, stream};
    use std::sync::atomic::{AtomicU64, Ordering};

    fn bodies(largest: usize, together: usize) -> Bodies {
        Bodies::new(largest, together, Duration::from_secs(30), 2)
    }

    /// Another caller's share.
    fn another(bodies: &Bodies) -> Share {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        bodies.shares.of_number(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    async fn arrived(bodies: &Bodies, encoding: &str, bytes: &[u8]) -> Result<Held, ApiError> {
        let chunks: Vec<Result<Bytes, io::Error>> =
            bytes.chunks(7).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let share = another(bodies);
        let held = bodies.arrive(Allowance::of(&share), &mut stream::iter(chunks), None).await?;
        let mut held = held.unpacked(Encoding::of(encoding)?, bodies.largest)?;
        held.room.settle();
        Ok(held)
    }

    /// Arrives in two parts of which the second is smaller, so that twice the first is more than both.
    async fn in_two_parts(bodies: &Bodies, bytes: &[u8], announced: Option<usize>) -> Result<Held, ApiError> {
        let (first, second) = bytes.split_at(bytes.len() * 3 / 5);
        let chunks = [first, second].map(|chunk| Ok::<_, io::Error>(Bytes::copy_from_slice(chunk)));
        let mut held = bodies.arrive(Allowance::of(&another(bodies)), &mut stream::iter(chunks), announced).await?;
        held.room.settle();
        Ok(held)
    }

    async fn decoded(encoding: &str, bytes: &[u8], limit: usize) -> Result<Vec<u8>, ApiError> {
        arrived(&bodies(limit, limit * 4), encoding, bytes).await.map(|held| held.bytes)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    #[tokio::test]
    async fn encodings_are_taken_off() {
        let text = b"{\"resourceType\":\"Patient\"}".repeat(20);
        let packed = gzip(&text);
        let mut deflate = ZlibEncoder::new(Vec::new(), Compression::default());
        deflate.write_all(&text).unwrap();
        assert_eq!(decoded("identity", &text, 1000).await.unwrap(), text);
        assert_eq!(decoded("GZIP", &packed, 1000).await.unwrap(), text);
        assert_eq!(decoded("deflate", &deflate.finish().unwrap(), 1000).await.unwrap(), text);
        assert!(matches!(decoded("gzip", &packed[..packed.len() - 9], 1000).await, Err(ApiError::Malformed(_))));
        assert!(matches!(decoded("gzip", &text, 1000).await, Err(ApiError::Malformed(_))));
        assert!(matches!(decoded("br", &text, 1000).await, Err(ApiError::MediaType(_))));
    }

    #[tokio::test]
    async fn what_would_become_too_large_is_refused_before_it_is() {
        let bomb = gzip(&vec![b' '; 10_000_000]);
        assert!(bomb.len() < 20_000);
        assert!(matches!(decoded("gzip", &bomb, 1_000_000).await, Err(ApiError::TooLarge(_))));
        assert!(matches!(decoded("identity", &bomb, 1_000).await, Err(ApiError::TooLarge(_))));
    }

    #[tokio::test]
    async fn what_grows_more_than_a_hundred_times_is_refused_while_it_unpacks() {
        let limit = 50_000_000;
        let Err(ApiError::TooLarge(text)) = decoded("gzip", &gzip(&vec![b' '; 10_000_000]), limit).await else {
            panic!("a bomb below the limit of bodies");
        };
        assert!(text.contains("a hundred times"), "{text}");
        // The first bytes are free: a small form or an empty list packs well.
        assert_eq!(decoded("gzip", &gzip(&vec![b' '; FREE]), limit).await.unwrap().len(), FREE);
    }

    #[tokio::test]
    async fn all_bodies_together_are_bounded_and_give_back_what_they_took() {
        let bodies = bodies(1000, 2100);
        let share = another(&bodies);
        let chunk: Result<Bytes, io::Error> = Ok(Bytes::from_static(&[b'x'; 1000]));
        let one = bodies.arrive(Allowance::of(&share), &mut stream::iter([chunk]), None).await.unwrap();
        // Unpacked bytes count, not those that were sent.
        let other = arrived(&bodies, "gzip", &gzip(&[b'x'; 1000])).await.unwrap();
        assert!(matches!(arrived(&bodies, "identity", &[b' '; 200]).await, Err(ApiError::Full(_))));
        assert!(matches!(arrived(&bodies, "gzip", &gzip(&[b' '; 200])).await, Err(ApiError::Full(_))));
        let mut kept = one.room;
        kept.settle();
        assert!(
            matches!(arrived(&bodies, "identity", &[b' '; 200]).await, Err(ApiError::Full(_))),
            "held for what it became"
        );
        drop(kept);
        assert!(arrived(&bodies, "identity", &[b' '; 200]).await.is_ok());
        drop(other);
        // What was refused, or did not arrive whole, holds nothing.
        assert!(arrived(&bodies, "identity", &[b'x'; 1001]).await.is_err());
        assert!(arrived(&bodies, "gzip", &gzip(&[b'x'; 1001])).await.is_err());
        assert!(arrived(&bodies, "gzip", b"no gzip").await.is_err());
        assert_eq!(bodies.shares.free(), 2100);
    }

    #[tokio::test]
    async fn a_body_takes_what_it_is_and_not_what_it_could_have_become() {
        let bodies = bodies(2000, 2000);
        let one = in_two_parts(&bodies, &[b'x'; 1000], Some(1000)).await.unwrap();
        assert_eq!(bodies.shares.free(), 1000);
        let other = in_two_parts(&bodies, &[b'x'; 1000], Some(1000)).await.unwrap();
        assert_eq!(bodies.shares.free(), 0);
        drop(one);
        drop(other);
        // Without a length it may take twice as much while it comes, and gives the rest back when it is there.
        let one = in_two_parts(&bodies, &[b'x'; 1000], None).await.unwrap();
        assert_eq!((bodies.shares.free(), one.bytes.capacity()), (1000, 1000));
        let other = arrived(&bodies, "gzip", &gzip(&[b'x'; 700])).await.unwrap();
        assert_eq!((bodies.shares.free(), other.bytes.capacity()), (300, 700));
        // More than was announced does not come over HTTP; if it did, it would count.
        drop((one, other));
        assert!(in_two_parts(&bodies, &[b'x'; 1000], Some(10)).await.is_ok());
        assert_eq!(bodies.shares.free(), 2000);
    }

    #[tokio::test]
    async fn what_is_made_of_a_body_counts_with_it() {
        let bodies = bodies(1000, 2000);
        let parts = async |text: &'static [u8]| {
            let (share, chunk) = (another(&bodies), Ok::<_, io::Error>(Bytes::from_static(text)));
            let mut held = bodies.arrive(Allowance::of(&share), &mut stream::iter([chunk]), None).await.unwrap();
            held.room.take_beside(held.made())?;
            held.room.settle();
            Ok::<_, Short>((held.bytes, held.room))
        };
        let (bytes, kept) = parts(b"[1,2,3,4,5,6,7,8]").await.unwrap();
        assert_eq!(bodies.shares.free(), 2000 - bytes.len() - 8 * VALUE);
        drop(kept);
        assert!(matches!(parts(&[b','; 20]).await, Err(Short::Ever)));
        assert_eq!(bodies.shares.free(), 2000);
    }

    #[actix_web::test]
    async fn large_bodies_wait_for_a_place_and_small_ones_do_not() {
        let (bodies, caller) = (Bodies::new(1000, 1000, Duration::from_secs(30), 1), patient("amina").caller);
        let held = bodies.places.enter(&caller).await.unwrap();
        for _ in 0..WAITING_EACH {
            assert!(bodies.places.enter(&caller).now_or_never().is_none(), "it waits");
        }
        assert!(bodies.apart(&caller, true, || Ok(())).await.is_ok());
        assert!(matches!(bodies.apart(&caller, false, || Ok(())).await, Err(ApiError::Throttled(_))));
        drop(held);
        assert!(bodies.apart(&caller, false, || Ok(())).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_in_time_is_given_up() {
        let mut never = stream::pending::<Result<Bytes, io::Error>>();
        let bodies = bodies(1000, 1000);
        let share = bodies.shares.of_number(1);
        let waited = timeout(bodies.within, bodies.arrive(Allowance::of(&share), &mut never, None)).await;
        assert!(waited.is_err());
        assert_eq!(bodies.shares.free(), 1000);
    }
}
