//! Requests whose bodies are still to come. Whoever puts the server back waits for what is being answered, but not for a client
//! that may never send the rest: such a request is outside until more has come, and refused if the server has been put back
//! meanwhile.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};
use tokio::time::timeout;

/// How often the server has been put back: shared by what is being answered, and had alone by whoever puts it back.
pub(super) type Door = Arc<RwLock<u64>>;

/// So much of a body is waited for outside.
const AT_ONCE: usize = 64 * 1024;

/// For so long.
const SOON: Duration = Duration::from_secs(1);

/// What a request has while it is being answered.
#[derive(Clone)]
pub(super) struct Inside(Rc<RefCell<Place>>);

struct Place {
    door: Door,
    /// None while its body is waited for, and when it has been answered.
    guard: Option<OwnedRwLockReadGuard<u64>>,
    /// How often the server had been put back when it came.
    times: u64,
    is_answered: bool,
}

impl Inside {
    /// Comes in, once nobody is putting the server back.
    pub(super) async fn enter(door: &Door) -> Inside {
        let guard = Arc::clone(door).read_owned().await;
        let (door, times) = (Arc::clone(door), *guard);
        Inside(Rc::new(RefCell::new(Place { door, guard: Some(guard), times, is_answered: false })))
    }

    /// It has been answered, or is no longer of those that are waited for.
    pub(super) fn leave(&self) {
        let mut place = self.0.borrow_mut();
        place.is_answered = true;
        place.guard = None;
    }

    /// Waits for the client, for whom nobody else does.
    fn step_out(&self) {
        self.0.borrow_mut().guard = None;
    }

    /// Whether it is inside, of a server that is as it was when it came.
    fn step_in(&self) -> bool {
        let mut place = self.0.borrow_mut();
        if place.guard.is_none() && !place.is_answered {
            place.guard = Arc::clone(&place.door).try_read_owned().ok().filter(|times| **times == place.times);
            return place.guard.is_some();
        }
        true
    }
}

/// A body, and what of it has come.
pub(super) struct Arriving {
    come: VecDeque<Result<Bytes, PayloadError>>,
    rest: Payload,
}

impl Arriving {
    /// Takes in what comes soon, which is all of most.
    pub(super) async fn begin(mut rest: Payload) -> Arriving {
        let (mut come, mut length) = (VecDeque::new(), 0);
        let soon = async {
            while length < AT_ONCE
                && let Some(piece) = rest.next().await
            {
                // After a failure nothing comes.
                length += piece.as_ref().map_or(AT_ONCE, Bytes::len);
                come.push_back(piece);
            }
        };
        let _all = timeout(SOON, soon).await;
        Arriving { come, rest }
    }

    /// The body of a request that is inside.
    pub(super) fn inside(mut self, inside: Inside) -> Payload {
        let body = futures_util::stream::poll_fn(move |context| self.next(&inside, context));
        Payload::Stream { payload: Box::pin(body) }
    }

    fn next(&mut self, inside: &Inside, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        if let Some(piece) = self.come.pop_front() {
            return Poll::Ready(Some(piece));
        }
        match Pin::new(&mut self.rest).poll_next(context) {
            Poll::Pending => {
                inside.step_out();
                Poll::Pending
            }
            Poll::Ready(_) if !inside.step_in() => {
                let put_back = io::Error::other("the server has been put back while the body came");
                Poll::Ready(Some(Err(PayloadError::Incomplete(Some(put_back)))))
            }
            come => come,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

    /// A body that comes as it is sent.
    fn body() -> (UnboundedSender<Bytes>, Payload) {
        let (send, mut come) = unbounded_channel();
        let come = futures_util::stream::poll_fn(move |context| come.poll_recv(context).map(|piece| piece.map(Ok)));
        (send, Payload::Stream { payload: Box::pin(come) })
    }

    fn piece(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    /// Whether nothing has come.
    fn waits(body: &mut Payload) -> bool {
        Pin::new(body).poll_next(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test(start_paused = true)]
    async fn who_puts_the_server_back_does_not_wait_for_a_body_and_its_request_is_refused() {
        let door = Door::default();
        let (send, come) = body();
        send.send(piece("one")).unwrap();
        let begun = Arriving::begin(come).await;
        let inside = Inside::enter(&door).await;
        let mut come = begun.inside(inside.clone());
        assert_eq!(come.next().await.unwrap().unwrap(), "one");
        assert!(door.try_write().is_err(), "it is being answered");
        assert!(waits(&mut come));
        assert!(door.try_write().is_ok(), "nobody waits for the rest");
        send.send(piece("two")).unwrap();
        assert_eq!(come.next().await.unwrap().unwrap(), "two");
        assert!(door.try_write().is_err(), "it is being answered again");
        assert!(waits(&mut come));
        *door.write().await += 1;
        send.send(piece("three")).unwrap();
        assert!(come.next().await.unwrap().is_err());
        inside.leave();
        assert!(door.try_write().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_has_come_is_one_of_what_is_being_answered() {
        let door = Door::default();
        let (send, come) = body();
        send.send(piece("all")).unwrap();
        drop(send);
        let begun = Arriving::begin(come).await;
        let inside = Inside::enter(&door).await;
        let mut come = begun.inside(inside.clone());
        assert_eq!(come.next().await.unwrap().unwrap(), "all");
        assert!(come.next().await.is_none() && door.try_write().is_err());
        inside.leave();
        assert!(door.try_write().is_ok());
        // Who has been answered comes in no more, however much of the body comes.
        assert!(come.next().await.is_none() && door.try_write().is_ok());
    }
}
