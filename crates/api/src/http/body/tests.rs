//! Bodies that arrive, packed or not, and what they take.

use super::*;
use crate::http::share::Share;
use crate::interact::slots::WAITING_EACH;
use crate::interact::tests::search::patient;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use futures_util::{FutureExt as _, stream};
use std::sync::atomic::{AtomicU64, Ordering};

fn bodies(largest: usize, together: usize) -> Bodies {
    let small = Shares::new(together, 4, largest);
    Bodies { small, ..Bodies::new(largest, together, Duration::from_secs(30), 2) }
}

/// The body that all chunks are.
async fn whole<E>(
    bodies: &Bodies,
    room: Allowance,
    chunks: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    announced: Option<usize>,
) -> Result<Held, ApiError> {
    let mut into = Bounded::new(bodies.largest, room, announced);
    bodies.arrive(&mut into, chunks, usize::MAX).await?;
    Ok(into.held())
}

/// Another caller's share.
fn another(bodies: &Bodies) -> Share {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    bodies.small.of_number(NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn arrived(bodies: &Bodies, encoding: &str, bytes: &[u8]) -> Result<Held, ApiError> {
    let chunks: Vec<Result<Bytes, io::Error>> =
        bytes.chunks(7).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    let share = another(bodies);
    let held = whole(bodies, Allowance::of(&share), &mut stream::iter(chunks), None).await?;
    let mut held = held.unpacked(Encoding::of(encoding)?, bodies.largest)?;
    held.room.settle();
    Ok(held)
}

/// Arrives in two parts of which the second is smaller, so that twice the first is more than both.
async fn in_two_parts(bodies: &Bodies, bytes: &[u8], announced: Option<usize>) -> Result<Held, ApiError> {
    let (first, second) = bytes.split_at(bytes.len() * 3 / 5);
    let chunks = [first, second].map(|chunk| Ok::<_, io::Error>(Bytes::copy_from_slice(chunk)));
    let mut held = whole(bodies, Allowance::of(&another(bodies)), &mut stream::iter(chunks), announced).await?;
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
    let one = whole(&bodies, Allowance::of(&share), &mut stream::iter([chunk]), None).await.unwrap();
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
    assert_eq!(bodies.small.free(), 2100);
}

#[tokio::test]
async fn a_body_takes_what_it_is_and_not_what_it_could_have_become() {
    let bodies = bodies(2000, 2000);
    let one = in_two_parts(&bodies, &[b'x'; 1000], Some(1000)).await.unwrap();
    assert_eq!(bodies.small.free(), 1000);
    let other = in_two_parts(&bodies, &[b'x'; 1000], Some(1000)).await.unwrap();
    assert_eq!(bodies.small.free(), 0);
    drop(one);
    drop(other);
    // Without a length it may take twice as much while it comes, and gives the rest back when it is there.
    let one = in_two_parts(&bodies, &[b'x'; 1000], None).await.unwrap();
    assert_eq!((bodies.small.free(), one.bytes.capacity()), (1000, 1000));
    let other = arrived(&bodies, "gzip", &gzip(&[b'x'; 700])).await.unwrap();
    assert_eq!((bodies.small.free(), other.bytes.capacity()), (300, 700));
    // More than was announced does not come over HTTP; if it did, it would count.
    drop((one, other));
    assert!(in_two_parts(&bodies, &[b'x'; 1000], Some(10)).await.is_ok());
    assert_eq!(bodies.small.free(), 2000);
}

#[tokio::test]
async fn what_is_made_of_a_body_counts_with_it() {
    let bodies = bodies(1000, 2000);
    let parts = async |text: &'static [u8]| {
        let (share, chunk) = (another(&bodies), Ok::<_, io::Error>(Bytes::from_static(text)));
        let mut held = whole(&bodies, Allowance::of(&share), &mut stream::iter([chunk]), None).await.unwrap();
        held.room.take_beside(held.made())?;
        held.room.settle();
        Ok::<_, Short>((held.bytes, held.room))
    };
    let (bytes, kept) = parts(b"[1,2,3,4,5,6,7,8]").await.unwrap();
    assert_eq!(bodies.small.free(), 2000 - bytes.len() - 8 * VALUE);
    drop(kept);
    assert!(matches!(parts(&[b','; 20]).await, Err(Short::Ever)));
    assert_eq!(bodies.small.free(), 2000);
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
    let share = bodies.small.of_number(1);
    let waited = whole(&bodies, Allowance::of(&share), &mut never, None).await;
    assert!(matches!(waited, Err(ApiError::BodyTooSlow(30))));
    assert_eq!(bodies.small.free(), 1000);
}
