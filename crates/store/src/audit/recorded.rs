//! When an event was recorded, as SQL: its first and its last millisecond since 1970 UTC.
//!
//! The server's own events were recorded when they came into the log. One that a system has handed in says it itself (R4,
//! AuditEvent.date). No database reads all that R4 allows as an `instant` (leap seconds, fractions of any length, the year
//! 10000 by its offset), and a search must not fail by what one event says: it is computed from the digits, in one text for
//! both, as `concord_fhir::rules::instant::range` does it.

/// Of the text `r` is `y` its year and `m` its month, both from March on, and `n` how many of the digits of its fraction count.
macro_rules! recorded {
    ($text:literal, $end:literal) => {
        concat!(
            "(CASE WHEN a.body = '' THEN a.at ELSE coalesce((SELECT \
             (365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + CAST(substr(r, 9, 2) AS BIGINT) - 719469) * 86400000 \
             + CAST(substr(r, 12, 2) AS BIGINT) * 3600000 + CAST(substr(r, 15, 2) AS BIGINT) * 60000 \
             + CASE WHEN substr(r, 18, 2) = '60' THEN 59999 ELSE CAST(substr(r, 18, 2) AS BIGINT) * 1000 \
             + CAST(substr(substr(r, 21, n) || '000', 1, 3) AS BIGINT)",
            $end,
            " END - CASE WHEN substr(r, length(r), 1) = 'Z' THEN 0 ELSE (CAST(substr(r, length(r) - 4, 2) AS BIGINT) * 3600000 \
             + CAST(substr(r, length(r) - 1, 2) AS BIGINT) * 60000) \
             * CASE WHEN substr(r, length(r) - 5, 1) = '-' THEN -1 ELSE 1 END END \
             FROM (SELECT r, \
             CAST(substr(r, 1, 4) AS BIGINT) - CASE WHEN substr(r, 6, 2) IN ('01', '02') THEN 1 ELSE 0 END AS y, \
             CAST(substr(r, 6, 2) AS BIGINT) + CASE WHEN substr(r, 6, 2) IN ('01', '02') THEN 9 ELSE -3 END AS m, \
             CASE WHEN substr(r, 20, 1) <> '.' THEN 0 WHEN substr(r, 22, 1) IN ('Z', '+', '-') THEN 1 \
             WHEN substr(r, 23, 1) IN ('Z', '+', '-') THEN 2 ELSE 3 END AS n FROM (SELECT ",
            $text,
            // The body is read once, not where each of them is used.
            " AS r LIMIT 1) said) read), a.at) END)"
        )
    };
    ($text:literal) => {
        [
            recorded!($text, ""),
            recorded!($text, " + CASE n WHEN 0 THEN 999 WHEN 1 THEN 99 WHEN 2 THEN 9 ELSE 0 END"),
        ]
    };
}

/// PostgreSQL fails where digits are none.
const POSTGRES: [&str; 2] = recorded!(
    "substring(CAST(a.body AS json) ->> 'recorded' FROM \
     '^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+|)(Z|[-+][0-9]{2}:[0-9]{2}))$')"
);

const SQLITE: [&str; 2] = recorded!("json_extract(a.body, '$.recorded')");

/// The first or the last millisecond of the row `a` of the log.
pub(super) fn recorded(postgres: bool, is_end: bool) -> &'static str {
    let [first, last] = if postgres { POSTGRES } else { SQLITE };
    if is_end { last } else { first }
}

#[cfg(test)]
mod tests {
    use concord_fhir::rules::instant;

    use super::*;
    use crate::audit::Record;
    use crate::error::StoreError;
    use crate::statement::Sql;
    use crate::testing::{NOW, Scratch};

    /// What R4 allows: every precision, leap seconds, all offsets, the first and the last of the years.
    fn instants() -> Vec<String> {
        let dates = [
            "0001-01-01",
            "0004-02-29",
            "0400-12-31",
            "1582-10-10",
            "1600-02-29",
            "1900-02-28",
            "1969-12-31",
            "1970-01-01",
            "2000-02-29",
            "2016-12-31",
            "2024-03-01",
            "2100-02-28",
            "9999-12-31",
        ];
        let fractions = format!(",.5,.0,.05,.999,.1234,.9995,.{}", "9".repeat(300));
        let mut all = Vec::new();
        for date in dates {
            for time in ["00:00:00", "23:59:59", "23:59:60", "12:34:56"] {
                for fraction in fractions.split(',') {
                    for zone in ["Z", "+00:00", "-00:00", "+14:00", "-14:00", "-12:00", "+05:45"] {
                        all.push(format!("{date}T{time}{fraction}{zone}"));
                    }
                }
            }
        }
        all
    }

    #[tokio::test]
    async fn both_databases_read_every_instant_as_a_search_does() {
        let instants = instants();
        let said = instants.iter().map(|text| format!(r#"{{"recorded":"{text}"}}"#));
        // Of what says nothing it is known when it came. None of it makes a search fail.
        let nothing = ["", "{}", r#"{"recorded":null,"_recorded":{"id":"a"}}"#].map(str::to_owned);
        let bodies: Vec<String> = said.chain(nothing).collect();
        let expected: Vec<(i64, i64)> =
            instants.iter().map(|text| instant::range(text).unwrap()).chain([(NOW, NOW); 3]).collect();
        let records: Vec<Record> = bodies.into_iter().map(|body| Record { body, ..Record::default() }).collect();
        for scratch in Scratch::both() {
            let (store, appended) = (scratch.store(), records.clone());
            let found = store.write(move |transaction| {
                transaction.append(&appended).unwrap();
                let postgres = transaction.is_postgres();
                let [first, last] = [false, true].map(|is_end| {
                    let sql = Sql::new("SELECT ").sql(recorded(postgres, is_end)).sql(" FROM audit a ORDER BY a.pk");
                    transaction.numbers(sql).unwrap()
                });
                (Ok::<_, StoreError>(first.into_iter().zip(last).collect::<Vec<_>>()), Vec::new())
            });
            let found = found.await.unwrap();
            assert_eq!(found.len(), expected.len());
            for ((found, expected), record) in found.into_iter().zip(&expected).zip(&records) {
                assert_eq!(found, *expected, "{} in {:?}", record.body, scratch.address);
            }
        }
    }
}
