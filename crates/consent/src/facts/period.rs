use concord_fhir::json::Value;
use concord_fhir::rules::instant;

use crate::tri::Tri;

/// A Period (R4 "Data Types", Period): both ends belong to it, and an end given as a day includes that whole day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Period {
    /// No period is given: always.
    #[default]
    Always,
    /// From the first to the last of these milliseconds since 1970 UTC, where none is open.
    Within(Option<i64>, Option<i64>),
    /// A period is given that cannot be read, or that ends before it starts.
    Unreadable,
}

impl Period {
    /// The period in an element's value; none means that the element is missing.
    #[must_use]
    pub fn of(value: Option<&Value<'_>>) -> Period {
        let Some(value) = value else { return Period::Always };
        let end = |name: &str, primitive: &str| match (value.get(name), value.get(primitive)) {
            (Some(text), _) => text.as_str().and_then(instant::range).map(Some),
            (None, None) => Some(None),
            (None, Some(_)) => None,
        };
        match (end("start", "_start"), end("end", "_end")) {
            (Some(None), Some(None)) | (None, _) | (_, None) => Period::Unreadable,
            (Some(Some(start)), Some(Some(end))) if start.0 > end.1 => Period::Unreadable,
            (Some(start), Some(end)) => Period::Within(start.map(|start| start.0), end.map(|end| end.1)),
        }
    }

    /// Whether the moment lies in it.
    pub(crate) fn holds(self, now: i64) -> Tri {
        match self {
            Period::Always => Tri::Yes,
            Period::Within(start, end) => {
                Tri::from(start.is_none_or(|start| start <= now) && end.is_none_or(|end| now <= end))
            }
            Period::Unreadable => Tri::Maybe,
        }
    }

    /// Whether the moment is not before it, as far as that can be told.
    pub(crate) fn has_begun(self, now: i64) -> bool {
        match self {
            Period::Within(start, _) => start.is_none_or(|start| start <= now),
            Period::Always | Period::Unreadable => true,
        }
    }

    /// Whether the moment lies in it for certain.
    #[must_use]
    pub fn certainly_holds(self, now: i64) -> bool {
        self.holds(now) == Tri::Yes
    }

    /// The moments at which it begins to hold and ceases to.
    pub(crate) fn boundaries(self) -> impl Iterator<Item = i64> {
        let (start, end) = match self {
            Period::Within(start, end) => (start, end.map(|end| end.saturating_add(1))),
            Period::Always | Period::Unreadable => (None, None),
        };
        start.into_iter().chain(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(start: Option<&str>, end: Option<&str>) -> Period {
        let mut value = Value::object([]);
        let object = value.as_object_mut().unwrap();
        for (name, text) in [("start", start), ("end", end)] {
            if let Some(text) = text {
                object.set(name, Value::string(text));
            }
        }
        Period::of(Some(&value))
    }

    #[test]
    fn the_last_day_belongs_to_it() {
        let march = period(Some("2026-03-01"), Some("2026-03-31"));
        let at = |text| march.holds(instant::range(text).unwrap().0);
        assert_eq!(at("2026-02-28T23:59:59.999Z"), Tri::No);
        assert_eq!(at("2026-03-01T00:00:00Z"), Tri::Yes);
        assert_eq!(at("2026-03-31T23:59:59.999Z"), Tri::Yes);
        assert_eq!(at("2026-04-01T00:00:00Z"), Tri::No);
        let moments: Vec<_> = march.boundaries().collect();
        assert_eq!(moments, ["2026-03-01", "2026-04-01"].map(|text| instant::range(text).unwrap().0));
        assert!(march.certainly_holds(moments[0]) && !march.certainly_holds(moments[1]));
    }

    #[test]
    fn a_moment_is_a_period() {
        let text = "2026-03-01T12:00:00.000Z";
        let (now, _) = instant::range(text).unwrap();
        assert_eq!(period(Some(text), Some(text)).holds(now), Tri::Yes);
        assert_eq!(period(Some(text), Some(text)).holds(now + 1), Tri::No);
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        for unreadable in [
            period(None, None),
            period(Some("soon"), None),
            period(None, Some("2026-02-30")),
            period(Some("2026-03-02"), Some("2026-03-01")),
            Period::of(Some(&Value::object([("_start", Value::object([]))]))),
            Period::of(Some(&Value::Bool(true))),
        ] {
            assert_eq!(unreadable, Period::Unreadable);
            assert_eq!(unreadable.holds(0), Tri::Maybe);
            assert!(!unreadable.certainly_holds(0));
        }
        assert_eq!(Period::of(None).holds(0), Tri::Yes);
        assert_eq!(period(Some("2026"), None).boundaries().count(), 1);
    }
}
