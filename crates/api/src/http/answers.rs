//! What large answers take from when they are gathered until their clients have them: bounded over all connections, and for one
//! caller, who may ask on many and take nothing.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;
use concord_consent::caller::Caller;

use super::share::{Room, Shares, Short};
use crate::error::ApiError;

/// Smaller answers do not count.
const SMALL: usize = 64 * 1024;

/// The room for answers.
pub struct Answers(Shares);

impl Answers {
    /// Answers of `largest` bytes at most, `together` at a time.
    #[must_use]
    pub fn new(largest: usize, together: usize) -> Answers {
        Answers(Shares::new(together, 2, largest))
    }

    /// Whether a caller may ask for more, before anything is done for it.
    ///
    /// # Errors
    /// [`ApiError::OverShare`] while the caller's answers that have not been taken are as many as they may be.
    pub(super) fn require_room(&self, caller: &Caller) -> Result<(), ApiError> {
        // Most hold nothing.
        match self.0.held_by(caller).map(|share| share.require()) {
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
        let share = self.0.of(caller);
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
        Ok(Some(self.0.of(caller).take(bytes)?))
    }

    /// Room for an answer that has to be given, as far as there is any.
    pub(super) fn room_that_is_left(&self, caller: &Caller, bytes: usize) -> Option<Room> {
        if bytes <= SMALL { None } else { self.0.of(caller).take_what_is_left(bytes) }
    }
}

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

    /// The same text in another form.
    ///
    /// # Errors
    /// Those of `rewrite`.
    pub(super) fn rewritten(self, rewrite: impl FnOnce(&str) -> Result<String, ApiError>) -> Result<Parts, ApiError> {
        let all: Vec<u8> = self.parts.iter().flatten().copied().collect();
        let unreadable = |_| ApiError::Internal("an answer of our own is no UTF-8".to_owned());
        let text = rewrite(std::str::from_utf8(&all).map_err(unreadable)?)?;
        let mut parts = Parts { room: self.room, ..Parts::default() };
        parts.add(text, None);
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
