//! What large answers take from when they are gathered until their clients have them: bounded over all connections, and for one
//! caller, who may ask on many and take nothing.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;
use concord_consent::caller::Caller;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::share::{Room, Shares, Short};
use crate::error::ApiError;
use crate::interact::slots::Slots;

/// Smaller answers do not count.
pub(super) const SMALL: usize = 64 * 1024;

/// What is sent as it was stored and is no longer than this is written at once.
const SMALL_AS_IT_IS: usize = 256 * 1024;

/// What is made into another form, or packed, takes far longer.
const SMALL_IN_ANOTHER_FORM: usize = 16 * 1024;

/// Whether an answer of so many bytes takes no longer to be written than others can wait for.
pub(super) fn is_small(bytes: usize, as_it_is: bool) -> bool {
    bytes <= if as_it_is { SMALL_AS_IT_IS } else { SMALL_IN_ANOTHER_FORM }
}

/// The room for answers, and the places in which large ones are written.
pub struct Answers {
    shares: Shares,
    places: Slots,
}

impl Answers {
    /// Answers of `largest` bytes at most, `together` at a time. So many large ones are written at once.
    #[must_use]
    pub fn new(largest: usize, together: usize, at_once: usize) -> Answers {
        Answers { shares: Shares::new(together, 2, largest), places: Slots::new(at_once) }
    }

    /// Writes an answer: where it is asked for if that is small, else where no other request of this thread waits, once it is
    /// the caller's turn. One that `must_be_told`, for something has been changed, is written in any case.
    ///
    /// # Errors
    /// Those of the work, and those of [`Slots::enter`].
    pub(super) async fn apart<T: Send + 'static>(
        &self,
        caller: &Caller,
        is_small: bool,
        must_be_told: bool,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        if is_small {
            return work();
        }
        let place = match self.places.enter(caller).await {
            Err(_) if must_be_told => None,
            entered => Some(entered?),
        };
        let stopped = |_| ApiError::Internal("an answer could not be written to its end".to_owned());
        concord_store::apart(place, work).await.map_err(stopped)?
    }

    /// Whether a caller may ask for more, before anything is done for it.
    ///
    /// # Errors
    /// [`ApiError::OverShare`] while the caller's answers that have not been taken are as many as they may be.
    pub(super) fn require_room(&self, caller: &Caller) -> Result<(), ApiError> {
        // Most hold nothing.
        match self.shares.held_by(caller).map(|share| share.require()) {
            Some(Err(short @ Short::Own)) => Err(short.into()),
            _ => Ok(()),
        }
    }

    /// Whether an answer that holds so many bytes may grow: where it has all that one caller may have, no other stands in its
    /// way, and its own budget ends it.
    ///
    /// # Errors
    /// [`ApiError::OverShare`] when others of the caller's have what it would need, [`ApiError::Full`] when others' have.
    pub(super) fn require_room_beside(&self, caller: &Caller, held: usize) -> Result<(), ApiError> {
        let share = self.shares.of(caller);
        match share.require() {
            Err(short) if held < share.each() => Err(short.into()),
            _ => Ok(()),
        }
    }

    /// Room for what has been gathered; none where it is small.
    ///
    /// # Errors
    /// [`ApiError::OverShare`] when too much of the caller's, [`ApiError::Full`] when too much of everybody's has not been
    /// taken.
    pub(super) fn room(&self, caller: &Caller, bytes: usize) -> Result<Option<Room>, ApiError> {
        if bytes <= SMALL {
            return Ok(None);
        }
        Ok(Some(self.shares.of(caller).take(bytes)?))
    }

    /// Room for an answer that has to be given, as far as there is any.
    pub(super) fn room_that_is_left(&self, caller: &Caller, bytes: usize) -> Option<Room> {
        if bytes <= SMALL { None } else { self.shares.of(caller).take_what_is_left(bytes) }
    }
}

/// Text packed with gzip, in parts again: one buffer that grows would be moved over and over.
///
/// # Errors
/// Never: it is written to memory.
pub(super) fn packed<B: AsRef<[u8]>>(parts: impl IntoIterator<Item = B>) -> Result<Vec<Vec<u8>>, ApiError> {
    let failed = |error: std::io::Error| ApiError::Internal(format!("an answer cannot be packed: {error}"));
    let mut done = Vec::new();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for part in parts {
        for piece in part.as_ref().chunks(AT_ONCE) {
            encoder.write_all(piece).map_err(failed)?;
            concord_store::let_others_between();
            if encoder.get_ref().len() >= PIECE {
                done.push(std::mem::take(encoder.get_mut()));
            }
        }
    }
    done.push(encoder.finish().map_err(failed)?);
    Ok(done)
}

/// How many bytes are packed before others may come between.
const AT_ONCE: usize = 8 * 1024;

/// How many packed bytes are a part.
const PIECE: usize = 256 * 1024;

/// A response that takes its room until the client has it.
pub(super) fn held(response: HttpResponse, room: Option<Room>) -> HttpResponse {
    match room {
        None => response,
        Some(_room) => response.map_body(|_, body| BoxBody::new(Held { body, _room })),
    }
}

/// A body in parts, each of which goes when the client has it.
#[derive(Default)]
pub(super) struct Parts {
    parts: VecDeque<Bytes>,
    size: u64,
    room: Option<Room>,
}

impl Parts {
    /// Adds a part, and the room that it takes.
    pub(super) fn add(&mut self, text: String, room: Option<Room>) {
        self.size = self.size.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        self.parts.push_back(text.into());
        match (&mut self.room, room) {
            (Some(own), Some(room)) => own.merge(room),
            (own @ None, room) => *own = room,
            (Some(_), None) => {}
        }
    }

    /// How many bytes have been added.
    pub(super) fn bytes(&self) -> u64 {
        self.size
    }

    /// How many bytes of room they take.
    pub(super) fn held(&self) -> usize {
        self.room.as_ref().map_or(0, Room::bytes)
    }

    /// The same text packed with gzip.
    ///
    /// # Errors
    /// Those of [`packed`].
    pub(super) fn packed(self) -> Result<Parts, ApiError> {
        let mut parts = Parts { room: self.room, ..Parts::default() };
        for part in packed(self.parts)? {
            parts.size = parts.size.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
            parts.parts.push_back(part.into());
        }
        Ok(parts)
    }
}

impl MessageBody for Parts {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.size)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(self.parts.pop_front().map(Ok))
    }

    fn try_into_bytes(mut self) -> Result<Bytes, Parts> {
        match self.parts.pop_front() {
            Some(only) if self.parts.is_empty() && self.room.is_none() => Ok(only),
            Some(first) => {
                self.parts.push_front(first);
                Err(self)
            }
            None => Ok(Bytes::new()),
        }
    }
}

struct Held {
    body: BoxBody,
    _room: Room,
}

impl MessageBody for Held {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::interact::slots::WAITING_EACH;
    use crate::interact::tests::search::patient;

    #[tokio::test]
    async fn large_answers_are_written_in_places() {
        let answers = Answers::new(1_000_000, 10_000_000, 1);
        let (caller, other) = (patient("amina").caller, patient("callum").caller);
        let written = answers.apart(&caller, false, false, || Ok(1)).await;
        assert!(matches!(written, Ok(1)));
        let held = answers.places.enter(&caller).await.unwrap();
        let mut others = answers.apart(&other, false, false, || Ok(2)).boxed_local();
        assert!((&mut others).now_or_never().is_none(), "it waits for its turn");
        for _ in 0..WAITING_EACH {
            assert!(answers.places.enter(&caller).now_or_never().is_none(), "it waits");
        }
        let refused = answers.apart(&caller, false, false, || Ok(3)).await;
        assert!(matches!(refused, Err(ApiError::Throttled(_))), "{refused:?}");
        for (is_small, must_be_told) in [(true, false), (false, true)] {
            let written = answers.apart(&caller, is_small, must_be_told, || Ok(4)).await;
            assert!(matches!(written, Ok(4)), "{is_small} {must_be_told}");
        }
        drop(held);
        assert!(matches!(others.await, Ok(2)));
    }

    #[test]
    fn what_is_packed_in_parts_is_the_same_text() {
        let texts: Vec<String> =
            (0..40_u32).map(|number| format!("{:08x}", number.wrapping_mul(2_654_435_761)).repeat(9_000)).collect();
        let parts = packed(texts.iter().map(String::as_bytes)).unwrap();
        let mut whole = String::new();
        flate2::read::GzDecoder::new(&*parts.concat()).read_to_string(&mut whole).unwrap();
        assert!(whole == texts.concat());
    }
}
