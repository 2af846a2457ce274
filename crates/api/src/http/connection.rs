//! What a connection may hold on to. A request's body that nobody wants ends the connection, and so does a client that does
//! not take its answer, or begins a request and does not come to an end.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Extensions, Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::middleware::Next;
use actix_web::rt;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{Error, HttpMessage as _};
use futures_util::Stream;
use prometheus::IntCounter;

/// How often connections are looked at.
const EVERY: Duration = Duration::from_millis(500);

/// How many bytes of an answer a client takes in a second at least, once it has taken longer than a connection may be still.
const SLOWEST: u64 = 16 * 1024;

/// How much of an answer is handed to the connection at once: as much as the system keeps, for each piece wakes the client.
const PART: usize = 128 * 1024;

/// How much of a body without a length is read before any of it is sent.
const START: usize = 64 * 1024;

/// How much of an answer the system keeps that has not been sent, as while the client takes nothing: unless it is told, some
/// megabytes for each connection, which nobody counts.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// What all connections have to keep to.
#[derive(Clone)]
pub struct Manners {
    /// How long a connection may be still.
    pub still: Duration,
    /// Counts those that did not.
    pub given_up: IntCounter,
}

/// A connection, as long as it is open.
pub(super) struct Connection {
    socket: TcpStream,
    state: Cell<State>,
}

/// What a connection is at.
#[derive(Clone, Copy)]
enum State {
    /// Somebody else sees to it that this ends.
    AtWork,
    /// The client's turn since then, and of so many bytes that it was to take.
    Theirs(Instant, u64),
}

impl State {
    fn is_over(self, now: Instant, still: Duration) -> bool {
        match self {
            State::AtWork => false,
            State::Theirs(since, bytes) => {
                now.saturating_duration_since(since) > still.saturating_add(Duration::from_secs(bytes / SLOWEST))
            }
        }
    }
}

thread_local! {
    /// The connections of this thread, once somebody watches them.
    static OPEN: RefCell<Option<Vec<Weak<Connection>>>> = const { RefCell::new(None) };
}

/// Knows a connection that has been opened.
pub fn opened(stream: &rt::net::TcpStream, extensions: &mut Extensions, manners: &Manners) {
    // Else the end of an answer waits until the client has acknowledged the rest, which it does when it likes. A connection
    // of which this cannot be said is slower, and no worse.
    let _slower = stream.set_nodelay(true);
    // One of which this cannot be said takes more of the system's memory.
    #[cfg(target_os = "linux")]
    let _more = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT);
    // Where there are no more descriptors the connection goes without.
    let Ok(own) = stream.as_fd().try_clone_to_owned() else { return };
    let state = Cell::new(State::Theirs(Instant::now(), 0));
    let connection = Rc::new(Connection { socket: TcpStream::from(own), state });
    let is_first = OPEN.with_borrow_mut(|open| {
        let is_first = open.is_none();
        open.get_or_insert_default().push(Rc::downgrade(&connection));
        is_first
    });
    extensions.insert(connection);
    if is_first {
        let manners = manners.clone();
        rt::spawn(async move {
            let mut tick = tokio::time::interval(EVERY.min(manners.still));
            loop {
                tick.tick().await;
                look(&manners);
            }
        });
    }
}

/// Ends the connections that are over, and forgets those that have been closed.
fn look(manners: &Manners) {
    let now = Instant::now();
    OPEN.with_borrow_mut(|open| {
        open.get_or_insert_default().retain(|connection| {
            let Some(connection) = connection.upgrade() else { return false };
            if !connection.state.get().is_over(now, manners.still) {
                return true;
            }
            manners.given_up.inc();
            // It may have been closed just now.
            let _closed = connection.socket.shutdown(Shutdown::Both);
            false
        });
    });
}

/// Runs a request on a connection that has to keep to its manners.
///
/// # Errors
/// Those of the services inside.
pub async fn mannered(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let connection = request.conn_data::<Rc<Connection>>().cloned();
    if let Some(connection) = &connection {
        connection.state.set(State::AtWork);
    }
    let unread = match request.take_payload() {
        Payload::None => None,
        payload => {
            let shared = Unread(Rc::new(RefCell::new(payload)));
            request.set_payload(Payload::Stream { payload: Box::pin(shared.clone()) });
            Some(shared)
        }
    };
    let (request, response) = next.call(request).await?.into_parts();
    let (response, body) = response.into_parts();
    let (body, start) = Start::of(body.boxed()).await?;
    let answer = Answer { body, start, since: Instant::now(), taken: 0, connection, _unread: unread };
    answer.hand_over();
    Ok(ServiceResponse::new(request, response.set_body(BoxBody::new(answer))))
}

/// The body of a request. As long as somebody holds it, and it has not been read to its end, the server closes the
/// connection after the response, instead of reading on until the client comes to an end.
#[derive(Clone)]
struct Unread(Rc<RefCell<Payload>>);

impl Stream for Unread {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// What a body without a length (a packed one) has said before anything is sent: small ones go out in one piece, with their
/// length.
#[derive(Default)]
struct Start {
    /// What is left of the piece that is handed out.
    part: Bytes,
    /// How long the body is, if all of it is there.
    whole: Option<u64>,
    /// Whether the body had no length before any of it was read. Some have one afterwards that is not the body's.
    streams: bool,
}

impl Start {
    async fn of(mut body: BoxBody) -> Result<(BoxBody, Start), Error> {
        if body.size() != BodySize::Stream {
            return Ok((body, Start::default()));
        }
        let mut all = BytesMut::new();
        while all.len() < START {
            match poll_fn(|context| Pin::new(&mut body).poll_next(context)).await {
                Some(piece) => all.extend_from_slice(&piece?),
                None => {
                    let whole = u64::try_from(all.len()).ok();
                    return Ok((body, Start { part: all.freeze(), whole, streams: true }));
                }
            }
        }
        Ok((body, Start { part: all.freeze(), whole: None, streams: true }))
    }
}

/// The body of a response, handed out part by part as the client takes it.
struct Answer {
    body: BoxBody,
    start: Start,
    /// When it was begun.
    since: Instant,
    /// How many bytes have been handed out.
    taken: u64,
    connection: Option<Rc<Connection>>,
    _unread: Option<Unread>,
}

impl Answer {
    /// From now on it is the client who has to do something.
    fn hand_over(&self) {
        if let Some(connection) = &self.connection {
            connection.state.set(State::Theirs(self.since, self.taken));
        }
    }
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        match self.start.whole {
            Some(whole) => BodySize::Sized(whole),
            None if self.start.streams => BodySize::Stream,
            None => self.body.size(),
        }
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.start.part.is_empty() {
            if self.start.whole.is_some() {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut self.body).poll_next(context)) {
                Some(Ok(part)) => self.start.part = part,
                end => return Poll::Ready(end),
            }
        }
        let length = self.start.part.len().min(PART);
        let part = self.start.part.split_to(length);
        self.taken = self.taken.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        self.hand_over();
        Poll::Ready(Some(Ok(part)))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::rt::net::{TcpListener, TcpStream};

    use super::*;

    /// A body like that of an encoder: without a length until it has been read, and then with that of what it encodes.
    struct Encoded(Vec<Bytes>);

    impl MessageBody for Encoded {
        type Error = std::convert::Infallible;

        fn size(&self) -> BodySize {
            if self.0.is_empty() { BodySize::Sized(0) } else { BodySize::Stream }
        }

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
            Poll::Ready(self.0.pop().map(Ok))
        }
    }

    #[actix_web::test]
    async fn an_answer_whose_length_was_not_known_never_gets_another() {
        for (pieces, wanted) in [
            (vec![START - 1], BodySize::Sized(START as u64 - 1)),
            (vec![START], BodySize::Stream),
            (vec![START + 1], BodySize::Stream),
            (vec![1, START], BodySize::Stream),
            (vec![PART, PART, 7], BodySize::Stream),
        ] {
            let body = Encoded(pieces.iter().map(|length| Bytes::from(vec![b'x'; *length])).collect());
            let (body, start) = Start::of(BoxBody::new(body)).await.unwrap();
            let answer = Answer { body, start, since: Instant::now(), taken: 0, connection: None, _unread: None };
            assert_eq!(answer.size(), wanted, "{pieces:?}");
            let all = actix_web::body::to_bytes(answer).await.unwrap();
            assert_eq!(all.len(), pieces.iter().sum::<usize>(), "{pieces:?}");
        }
    }

    #[actix_web::test]
    async fn no_answer_waits_until_the_client_acknowledges_its_beginning() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (_client, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let (accepted, _) = accepted.unwrap();
        assert!(!accepted.nodelay().unwrap());
        let given_up = IntCounter::new("given_up", "of a test").unwrap();
        let manners = Manners { still: Duration::from_secs(3600), given_up };
        opened(&accepted, &mut Extensions::new(), &manners);
        assert!(accepted.nodelay().unwrap());
    }
}
