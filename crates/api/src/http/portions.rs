//! How much of a connection is read at a time. What comes is read where all connections of a thread are answered: of one on which very
//! much comes at once (hundreds of requests, a large body) a portion, and the rest when the thread has seen to what has come on others.
//! Each request that has been read takes some 10 KB until it is answered, so they are not read before that either.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::turns::OthersCome;

/// How many bytes are read before others are seen to.
const PORTION: usize = 16 * 1024;

/// A connection that is read in portions.
pub struct Portions<S = TcpStream> {
    stream: S,
    left: usize,
    others_come: OthersCome,
}

impl<S> Portions<S> {
    /// Nothing has been read.
    pub fn of(stream: S) -> Portions<S> {
        Portions { stream, left: PORTION, others_come: OthersCome::default() }
    }

    /// What is read.
    pub fn stream(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Portions<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 {
            ready!(self.others_come.poll(context));
            self.left = PORTION;
        }
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        let bytes = into.filled().len().saturating_sub(before);
        // Whoever waits for more has let others come.
        self.left = if read.is_pending() { PORTION } else { self.left.saturating_sub(bytes) };
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Portions<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;
    use tokio::task::{LocalSet, yield_now};

    use super::*;

    /// All of it comes, and others come between.
    #[tokio::test]
    async fn of_what_comes_at_once_others_see_a_portion_at_a_time() {
        let all: Vec<u8> = (0..PORTION * 8).map(|place| u8::try_from(place % 251).unwrap()).collect();
        let tasks = LocalSet::new();
        let (read, others, seen) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (own, sent) = (Rc::clone(&read), all.clone());
        let (others_own, seen_own) = (Rc::clone(&others), Rc::clone(&seen));
        let reading = tasks.spawn_local(async move {
            let mut stream = Portions::of(sent.as_slice());
            let (mut got, mut part) = (Vec::new(), vec![0; PORTION / 4]);
            loop {
                match stream.read(&mut part).await.unwrap() {
                    0 => return got,
                    bytes => got.extend_from_slice(&part[..bytes]),
                }
                if own.get() / PORTION != got.len() / PORTION {
                    seen_own.set(seen_own.get().max(others_own.get()));
                }
                own.set(got.len());
            }
        });
        tasks.spawn_local(async move {
            while read.get() < PORTION * 8 {
                others.set(others.get() + 1);
                yield_now().await;
            }
        });
        assert!(tasks.run_until(reading).await.unwrap() == all);
        assert!(seen.get() >= 7, "{}", seen.get());
    }

    #[tokio::test]
    async fn what_is_written_and_the_end_go_through() {
        let (here, mut there) = UnixStream::pair().unwrap();
        let mut here = Portions::of(here);
        assert!(here.is_write_vectored() && here.stream().peer_addr().is_ok());
        here.write_all(b"a").await.unwrap();
        assert_eq!(here.write_vectored(&[IoSlice::new(b"b"), IoSlice::new(b"c")]).await.unwrap(), 2);
        here.flush().await.unwrap();
        here.shutdown().await.unwrap();
        let mut got = String::new();
        there.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "abc");
        there.write_all(b"d").await.unwrap();
        assert_eq!(here.read_u8().await.unwrap(), b'd');
    }
}
