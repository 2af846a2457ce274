//! How much an answer may hold: what one request has the server gather is bounded, however it is asked for.

use crate::error::ApiError;

/// What of an answer is left to be filled: at first what the settings `max_answer_bytes` and `max_answer_resources` say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of resources.
    pub bytes: usize,
    /// Resources.
    pub resources: usize,
}

/// How many bytes of text an answer has beside twice those of its resources.
const TEXT: usize = 1024 * 1024;

/// What a part of an answer holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    /// Bytes of resources.
    pub(crate) bytes: usize,
    /// Resources.
    pub(crate) resources: usize,
}

impl Budget {
    /// Room for anything, where what is found is told to nobody.
    pub(crate) fn unbounded() -> Budget {
        Budget { bytes: usize::MAX, resources: usize::MAX }
    }

    /// Takes a part into the answer.
    ///
    /// # Errors
    /// [`ApiError::TooLarge`] when it does not fit, with the limit that it is beyond. Nothing fits after that.
    pub(crate) fn spend(&mut self, weight: Weight) -> Result<(), ApiError> {
        let left = (self.bytes.checked_sub(weight.bytes), self.resources.checked_sub(weight.resources));
        match left {
            (Some(bytes), Some(resources)) => {
                *self = Budget { bytes, resources };
                Ok(())
            }
            (None, _) => {
                self.bytes = 0;
                Err(ApiError::beyond_answer("max_answer_bytes"))
            }
            (Some(_), None) => {
                self.resources = 0;
                Err(ApiError::beyond_answer("max_answer_resources"))
            }
        }
    }

    /// Whether the text of an answer that has this budget may grow further: what stands around its resources, and what has no
    /// weight, is bounded with them.
    ///
    /// # Errors
    /// [`ApiError::TooLarge`] when it may not.
    pub(crate) fn require_text(&self, written: usize) -> Result<(), ApiError> {
        match written > self.bytes.saturating_mul(2).saturating_add(TEXT) {
            true => Err(ApiError::beyond_answer("max_answer_bytes")),
            false => Ok(()),
        }
    }

    /// Whether there is room for anything more.
    ///
    /// # Errors
    /// [`ApiError::TooLarge`] when there is none, with the limit that has been reached.
    pub(crate) fn require_room(&self) -> Result<(), ApiError> {
        match (self.bytes, self.resources) {
            (0, _) => Err(ApiError::beyond_answer("max_answer_bytes")),
            (_, 0) => Err(ApiError::beyond_answer("max_answer_resources")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn of(bytes: usize) -> Weight {
        Weight { bytes, resources: 1 }
    }

    fn refused(spent: Result<(), ApiError>) -> String {
        match spent {
            Err(ApiError::TooLarge(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_limit_and_ends_the_answer() {
        let mut bytes = Budget { bytes: 20, resources: 100 };
        bytes.spend(of(10)).unwrap();
        bytes.spend(of(9)).unwrap();
        assert_eq!(bytes, Budget { bytes: 1, resources: 98 });
        assert!(refused(bytes.spend(of(3))).contains("max_answer_bytes"));
        assert!(refused(bytes.require_room()).contains("max_answer_bytes"), "nothing smaller fits after that");
        let mut resources = Budget { bytes: 100, resources: 1 };
        resources.spend(of(3)).unwrap();
        assert!(refused(resources.spend(of(3))).contains("max_answer_resources"));
        resources.spend(Weight::default()).unwrap();
        let whole = Budget { bytes: 100, resources: 1 };
        whole.require_text(TEXT + 200).unwrap();
        assert!(refused(whole.require_text(TEXT + 201)).contains("max_answer_bytes"));
    }
}
