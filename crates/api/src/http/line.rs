//! Lines in which bodies wait for room. Who waits holds nothing that others wait for: first comes the caller's own line, then
//! the caller's own share, then the turn among callers, then everybody's room, and last the one place of what needs more than
//! it was given. Whoever waits for one of them holds only such as come before it, so somebody can always go on.

use std::cell::Cell;
use std::time::Duration;

use concord_consent::caller::Caller;
use tokio::time::timeout;

use super::share::{Allowance, Shares, Short};
use crate::error::ApiError;
use crate::interact::slots::Slots;

/// Room that is waited for.
pub(super) struct Line {
    shares: Shares,
    /// Each caller's own line: one of each goes on.
    own: Slots,
    /// Whose turn it is.
    turn: Slots,
}

impl Line {
    /// So many bytes, of which one caller has one of so many parts, but `least` at least.
    pub(super) fn new(together: usize, parts: usize, least: usize) -> Line {
        Line { shares: Shares::new(together, parts, least), own: Slots::for_each(1), turn: Slots::new(1) }
    }

    /// Waits for room for so many bytes, or for all that one caller may have.
    ///
    /// # Errors
    /// When it is not there after that time, or too many wait already.
    pub(super) async fn expect(&self, caller: &Caller, bytes: usize, within: Duration) -> Result<Allowance, ApiError> {
        let missing = Cell::new(Short::Own);
        let waited = async {
            let share = self.shares.of(caller);
            let _first = self.own.enter(caller).await?;
            let own = share.wait_for_own(bytes).await?;
            missing.set(Short::Everybodys);
            let _turn = self.turn.enter(caller).await?;
            Ok(share.wait_for_all(own).await?)
        };
        timeout(within, waited).await.unwrap_or_else(|_| Err(missing.get().into()))
    }
}

/// Room for one that needs more than it was given.
pub(super) struct Beyond {
    place: Slots,
    most: usize,
}

impl Beyond {
    /// For as many bytes as that.
    pub(super) fn new(most: usize) -> Beyond {
        Beyond { place: Slots::new(1), most }
    }

    /// Makes room for so many bytes more: of those that were given, of those that are free, or once it is the one that may
    /// have more.
    ///
    /// # Errors
    /// When it is not the one after that time, or they are more than anybody may have.
    pub(super) async fn fit(
        &self,
        caller: &Caller,
        room: &mut Allowance,
        bytes: usize,
        within: Duration,
    ) -> Result<(), ApiError> {
        if bytes > self.most {
            return Err(Short::Ever.into());
        }
        if room.take_beside(bytes).is_ok() {
            return Ok(());
        }
        let entered = timeout(within, self.place.enter(caller)).await;
        room.go_beyond(entered.map_err(|_| ApiError::from(Short::Everybodys))??);
        Ok(())
    }
}

#[cfg(test)]
impl Line {
    /// How many bytes nobody has.
    pub(super) fn free(&self) -> usize {
        self.shares.free()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interact::slots::WAITING_EACH;
    use crate::interact::tests::search::patient;
    use futures_util::future::join_all;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const WITHIN: Duration = Duration::from_secs(30);

    fn caller(number: usize) -> Caller {
        Caller::clone(&patient(&format!("p{number}")).caller)
    }

    /// Numbers that look random and are the same each time.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, most: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(self.0 >> 33).unwrap() % most
        }
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_come_and_whatever_they_need_all_have_it_in_the_end() {
        for seed in 0..20 {
            let (line, beyond) = (Line::new(1_000, 2, 100), Beyond::new(500));
            let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let mut numbers = Numbers(seed);
            let all = (0..400).map(|_| {
                let (who, comes, size) = (caller(numbers.below(8)), numbers.below(500), 1 + numbers.below(300));
                let (expected, made, takes) = (size * (1 + numbers.below(3)), numbers.below(501), numbers.below(20));
                let (line, beyond, now, most) = (&line, &beyond, &now, &most);
                async move {
                    tokio::time::sleep(Duration::from_millis(comes as u64)).await;
                    let mut room = line.expect(&who, expected, Duration::MAX).await.unwrap();
                    room.take_beside(size.min(expected).min(500)).unwrap();
                    tokio::time::sleep(Duration::from_millis(takes as u64)).await;
                    beyond.fit(&who, &mut room, made, Duration::MAX).await.unwrap();
                    room.settle();
                    let mine = made.saturating_sub(room.given());
                    most.fetch_max(now.fetch_add(mine, Ordering::Relaxed) + mine, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(takes as u64)).await;
                    now.fetch_sub(mine, Ordering::Relaxed);
                }
            });
            timeout(Duration::from_secs(60), join_all(all)).await.expect("all have been let in");
            assert!(most.into_inner() <= 500, "one alone goes beyond");
            assert_eq!(line.free(), 1_000);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_waits_is_not_overtaken_and_callers_come_in_turn() {
        let line = Arc::new(Line::new(1_000, 1, 1_000));
        let held = line.expect(&caller(0), 900, WITHIN).await.unwrap();
        let done = std::sync::Mutex::new(Vec::new());
        // The second of the first caller's comes after another's, and what would fit at once after what came before it.
        let waits = [(1, 800), (1, 700), (2, 600), (3, 50)].map(|(who, bytes)| {
            let (line, done) = (&line, &done);
            async move {
                let room = line.expect(&caller(who), bytes, WITHIN).await.unwrap();
                done.lock().unwrap().push(bytes);
                tokio::time::sleep(Duration::from_millis(1)).await;
                drop(room);
            }
        });
        let freed = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert!(done.lock().unwrap().is_empty());
            drop(held);
        };
        tokio::join!(join_all(waits), freed);
        assert_eq!(*done.lock().unwrap(), [800, 600, 50, 700]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_in_vain_is_told_whose_room_is_taken_and_the_lines_are_bounded() {
        let line = Line::new(1_000, 2, 100);
        let own = line.expect(&caller(1), 2_000, WITHIN).await.unwrap();
        assert_eq!(line.free(), 500, "more than a share is never needed");
        assert!(matches!(line.expect(&caller(1), 100, WITHIN).await, Err(ApiError::OverShare(_))));
        let other = line.expect(&caller(2), 450, WITHIN).await.unwrap();
        assert!(matches!(line.expect(&caller(3), 100, WITHIN).await, Err(ApiError::Full(_))));
        assert_eq!(line.shares.of(&caller(3)).take(50).unwrap().bytes(), 50, "it gave back its own");
        let first = caller(1);
        let waits = (0..WAITING_EACH + 2).map(|_| line.expect(&first, 100, WITHIN));
        let refused = join_all(waits).await.into_iter().filter(|one| matches!(one, Err(ApiError::Throttled(_))));
        assert_eq!(refused.count(), 1);
        drop((own, other));
        assert!(line.expect(&first, 100, WITHIN).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_needs_more_than_it_was_given_has_it_when_no_other_goes_beyond() {
        let (line, beyond) = (Line::new(1_000, 2, 100), Beyond::new(400));
        let (one, other) = (caller(1), caller(2));
        let mut first = line.expect(&one, 500, WITHIN).await.unwrap();
        let mut second = line.expect(&other, 500, WITHIN).await.unwrap();
        first.take(490).unwrap();
        second.take(500).unwrap();
        assert!(matches!(beyond.fit(&one, &mut first, 401, WITHIN).await, Err(ApiError::TooLarge(_))));
        // All together count for no more than a share.
        beyond.fit(&one, &mut first, 400, WITHIN).await.unwrap();
        beyond.fit(&other, &mut second, 400, WITHIN).await.unwrap();
        drop((first, second));
        let mut all = Vec::new();
        for _ in 0..5 {
            all.push(line.expect(&one, 100, WITHIN).await.unwrap());
            all.push(line.expect(&other, 100, WITHIN).await.unwrap());
        }
        beyond.fit(&one, &mut all[0], 300, WITHIN).await.unwrap();
        assert!(matches!(beyond.fit(&other, &mut all[1], 300, WITHIN).await, Err(ApiError::Full(_))));
        drop(all.remove(0));
        beyond.fit(&other, &mut all[0], 300, WITHIN).await.unwrap();
    }
}
