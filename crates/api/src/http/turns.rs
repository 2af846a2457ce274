//! Whose turn it is on a thread that answers. Such a thread does one thing after the other for all its connections, and sees what has come
//! on others only in between: whoever asks on many connections at once, or many things on one, would be served on all of them before
//! anybody else is seen. So each caller has a thread for a moment at a time, and what is left of theirs waits until the thread has seen
//! what has come meanwhile. Those who have asked for little never wait.
//!
//! Who asks is known once a token has been believed, and remembered by each thread. Whoever it does not know counts as one, nobody.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::future::poll_fn;
use std::hash::BuildHasher as _;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::http::header;
use concord_store::Asker;
use tokio::task::yield_now;

/// How long a thread works for one caller before it sees to others.
const AT_A_TIME: Duration = Duration::from_micros(500);

/// How many callers and tokens a thread remembers; then it begins anew.
const MOST: usize = 4_096;

/// How many bytes of a token tell it apart.
const END: usize = 32;

/// Whoever is not known. The server itself asks for nothing here.
const NOBODY: Asker = Asker::SERVER;

thread_local! {
    static TURNS: RefCell<Turns> = RefCell::default();
}

/// One thread's callers.
#[derive(Debug, Default)]
struct Turns {
    /// How often the thread has seen to others.
    round: u64,
    /// How long it has worked for each since then.
    worked: HashMap<u64, Duration>,
    /// Who has come with which token.
    known: HashMap<u64, Asker>,
    keys: RandomState,
}

impl Turns {
    fn has_turn(&self, who: Asker) -> bool {
        self.worked.get(&who.number()).is_none_or(|worked| *worked < AT_A_TIME)
    }

    fn worked(&mut self, who: Asker, time: Duration) {
        if self.worked.len() >= MOST {
            self.worked.clear();
        }
        *self.worked.entry(who.number()).or_default() += time;
    }

    /// Whoever waits since that round has let others come: the first of them begins another.
    fn have_waited(&mut self, since: u64) {
        if self.round == since {
            self.round += 1;
            self.worked.clear();
        }
    }
}

/// Who asks.
pub(super) struct Asks {
    who: Cell<Asker>,
    token: Option<u64>,
}

impl Asks {
    /// By what a request says, if that has been believed before.
    pub(super) fn of(request: &HttpRequest) -> Asks {
        let token = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
        // No two tokens end alike: one of an issuer with its signature, one of this server at random.
        let end = token.map(|token| token.last_chunk::<END>().map_or(token, |end| end.as_slice()));
        TURNS.with_borrow(|turns| {
            let token = end.map(|end| turns.keys.hash_one(end));
            let who = token.and_then(|token| turns.known.get(&token).copied()).unwrap_or(NOBODY);
            Asks { who: Cell::new(who), token }
        })
    }

    /// Says who it is: what the request says has been believed.
    pub(super) fn are(&self, who: Asker) {
        if self.who.replace(who) == who {
            return;
        }
        let Some(token) = self.token else { return };
        TURNS.with_borrow_mut(|turns| {
            if turns.known.len() >= MOST {
                turns.known.clear();
            }
            turns.known.insert(token, who);
        });
    }
}

/// Waits until others have been seen to: the runtime goes on once it has looked for what has come on connections.
#[derive(Default)]
pub(super) struct OthersCome(Option<Pin<Box<dyn Future<Output = ()>>>>);

impl OthersCome {
    /// Whether they have been since this was asked first.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let others_come = self.0.get_or_insert_with(|| Box::pin(yield_now()));
        ready!(others_come.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(())
    }
}

/// Does the work of whoever asks, each part of it when it is their turn.
pub(super) async fn in_turns<T>(asks: &Asks, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let (mut waits_since, mut others_come) = (None, OthersCome::default());
    poll_fn(|context| {
        loop {
            if let Some(since) = waits_since {
                ready!(others_come.poll(context));
                TURNS.with_borrow_mut(|turns| turns.have_waited(since));
            }
            waits_since = TURNS.with_borrow(|turns| (!turns.has_turn(asks.who.get())).then_some(turns.round));
            if waits_since.is_none() {
                break;
            }
        }
        let begun = Instant::now();
        let done = work.as_mut().poll(context);
        TURNS.with_borrow_mut(|turns| turns.worked(asks.who.get(), begun.elapsed()));
        done
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use actix_web::test::TestRequest;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::UnixStream;
    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    const MANY: Asker = Asker::of(1);
    const ANOTHER: Asker = Asker::of(2);

    fn asks(who: Asker) -> Asks {
        Asks { who: Cell::new(who), token: None }
    }

    /// As much work as one may have done at a time.
    fn work(who: Asker) {
        TURNS.with_borrow_mut(|turns| turns.worked(who, AT_A_TIME));
    }

    #[test]
    fn each_has_a_turn_and_another_when_others_have_been_seen_to() {
        let mut turns = Turns::default();
        turns.worked(MANY, AT_A_TIME / 2);
        assert!(turns.has_turn(MANY));
        turns.worked(MANY, AT_A_TIME / 2);
        assert!(!turns.has_turn(MANY) && turns.has_turn(ANOTHER));
        turns.have_waited(0);
        assert!(turns.has_turn(MANY));
        // Others that have waited as long are of the same round.
        turns.worked(MANY, AT_A_TIME);
        turns.have_waited(0);
        assert!(!turns.has_turn(MANY));
        turns.have_waited(1);
        assert!(turns.has_turn(MANY));
        for number in 0..=u64::try_from(MOST).unwrap() {
            turns.worked(Asker::of(number), AT_A_TIME);
        }
        assert!(turns.worked.len() <= MOST);
    }

    /// What has come on a connection is seen after one piece of work of whoever asks for a hundred, and all are done in the end.
    #[tokio::test]
    async fn whoever_comes_is_served_before_the_rest_of_many_requests() {
        let done = Rc::new(RefCell::new(Vec::new()));
        let (mut here, there) = UnixStream::pair().unwrap();
        let tasks = LocalSet::new();
        for _ in 0..100 {
            let done = Rc::clone(&done);
            tasks.spawn_local(async move {
                let one = async {
                    work(MANY);
                    done.borrow_mut().push(MANY);
                };
                in_turns(&asks(MANY), one).await;
            });
        }
        let other = Rc::clone(&done);
        tasks.spawn_local(async move {
            here.read_u8().await.unwrap();
            let one = async {
                // It asks for something more meanwhile, as a request asks the store.
                spawn_local(async {}).await.unwrap();
                other.borrow_mut().push(ANOTHER);
            };
            in_turns(&asks(ANOTHER), one).await;
        });
        there.try_write(&[1]).unwrap();
        tasks.await;
        let done = done.borrow();
        let place = done.iter().position(|one| *one == ANOTHER).unwrap();
        assert!(place <= 3, "{place}");
        assert_eq!(done.len(), 101);
    }

    #[test]
    fn who_asks_is_known_once_a_token_has_been_believed() {
        let of = |token: &str| {
            let request = TestRequest::default().insert_header((header::AUTHORIZATION, token.to_owned()));
            Asks::of(&request.to_http_request())
        };
        assert_eq!(of("Bearer a").who.get(), NOBODY);
        of("Bearer a").are(ANOTHER);
        assert_eq!(of("Bearer a").who.get(), ANOTHER);
        assert_eq!(of("Bearer b").who.get(), NOBODY);
        let nobody = Asks::of(&TestRequest::default().to_http_request());
        nobody.are(ANOTHER);
        assert_eq!(Asks::of(&TestRequest::default().to_http_request()).who.get(), NOBODY);
        for number in 0..=MOST {
            of(&format!("Bearer {number}")).are(MANY);
        }
        TURNS.with_borrow(|turns| assert!(turns.known.len() <= MOST));
    }
}
