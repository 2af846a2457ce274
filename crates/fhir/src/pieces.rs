//! What takes long is done in pieces, after each of which whoever has it done may have something else done: this crate knows neither
//! threads nor clocks.

use std::cell::Cell;

/// How many values, elements or steps are a piece: some tens of microseconds.
const PIECE: usize = 512;

thread_local! {
    /// How many have been done since the last piece.
    static DONE: Cell<usize> = const { Cell::new(0) };
    static AFTER_EACH: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Has this be called on this thread from here on, after each piece of what takes long.
pub fn after_each(work: fn()) {
    AFTER_EACH.set(Some(work));
}

/// Says that so many more have been done.
pub(crate) fn did(count: usize) {
    let Some(work) = AFTER_EACH.get() else { return };
    let done = DONE.get().saturating_add(count);
    if done < PIECE {
        return DONE.set(done);
    }
    DONE.set(0);
    work();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check;
    use crate::codec;
    use crate::json::{self, Limits};

    thread_local! {
        static CALLS: Cell<usize> = const { Cell::new(0) };
    }

    /// How many pieces something is done in.
    fn pieces<T>(work: impl FnOnce() -> T) -> (usize, T) {
        after_each(|| CALLS.set(CALLS.get() + 1));
        let before = CALLS.get();
        let done = work();
        (CALLS.get() - before, done)
    }

    #[test]
    fn what_is_read_and_checked_is_done_in_pieces() {
        let note = r#"{"text":"x"}"#;
        let body = format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"note":[{}]}}"#,
            vec![note; 20 * PIECE].join(",")
        );
        let limits = Limits::default();
        let (read, value) = pieces(|| json::parse(body.as_bytes(), &limits).unwrap());
        assert!(read >= 20, "{read}");
        let (checked, done) = pieces(|| check(&value, &limits));
        done.unwrap();
        assert!(checked >= 20, "{checked}");
        let (written, xml) = pieces(|| codec::write_xml(&value).unwrap());
        assert!(written >= 20, "{written}");
        let (read, again) = pieces(|| codec::parsed(codec::Format::Xml, xml.as_bytes(), &limits).unwrap().0);
        assert!(read >= 20, "{read}");
        assert!(again.same(&value));
        let (written, _) = pieces(|| json::to_pretty(&value));
        assert!(written >= 20, "{written}");
    }

    #[test]
    fn nobody_is_called_who_has_not_asked() {
        let calls = CALLS.get();
        did(PIECE - 1);
        assert_eq!((DONE.get(), CALLS.get()), (0, calls), "nor is anything counted for them");
        after_each(|| CALLS.set(CALLS.get() + 1));
        did(PIECE - 1);
        assert_eq!((DONE.get(), CALLS.get()), (PIECE - 1, calls));
        did(1);
        assert_eq!((DONE.get(), CALLS.get()), (0, calls + 1));
    }
}
