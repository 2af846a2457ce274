//! What a session on PostgreSQL may take: how long to connect, how long a statement, how long to wait for another's lock, and how
//! soon a machine that is gone is noticed.

use std::time::Duration;

/// What is wrong is told by PostgreSQL's words, which come in the language of its machine unless somebody says otherwise. That
/// takes a right which not every role has.
pub(crate) const IN_ENGLISH: &str = "DO $$ BEGIN PERFORM set_config('lc_messages', 'C', false); EXCEPTION WHEN insufficient_privilege THEN \
                          NULL; END $$";

/// Takes from a connection the limits of requests, for what takes as long as it takes.
pub(crate) const WITHOUT_LIMITS: &str = "SET statement_timeout = 0; SET lock_timeout = 0; \
                                         SET idle_in_transaction_session_timeout = 0";

/// What a session on PostgreSQL may take. A statement that waits for another's lock is given up before one that is slow by
/// itself, so that the two are told apart. What a node leaves behind that is gone without a word, its open transaction and
/// the locks of that, is gone in half a minute.
pub(crate) fn session_limits(limit: Duration) -> String {
    let statement = limit.as_millis().max(1);
    let lock = (statement / 2).clamp(1, 5_000);
    format!(
        "SET statement_timeout = {statement}; SET lock_timeout = {lock}; \
         SET idle_in_transaction_session_timeout = 30000; \
         SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
         SET tcp_user_timeout = 15000"
    )
}

/// The address, with a bound for how long anything may hang that the server has no part in: to connect takes seconds,
/// and a server that is gone without a word is noticed. What the address says itself goes first.
pub(crate) fn bounded(url: &str) -> String {
    const BOUNDS: [(&str, &str); 5] = [
        ("connect_timeout", "3"),
        ("keepalives_idle", "10"),
        ("keepalives_interval", "5"),
        ("keepalives_count", "3"),
        ("tcp_user_timeout", "15000"),
    ];
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    // A user's name or password may have a question mark in it.
    let after_user = match after_scheme.find(['@', '/']) {
        Some(at) => after_scheme.get(at..).unwrap_or_default(),
        None => after_scheme,
    };
    let query = after_user.split_once('?').map(|(_, query)| query);
    let named = |name: &str| {
        let mut pairs = query.unwrap_or_default().split('&');
        pairs.any(|pair| pair.split_once('=').is_some_and(|(own, _)| own == name))
    };
    let mut bounded = url.to_owned();
    let mut separator = match query {
        None => "?",
        Some(query) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    for (name, value) in BOUNDS.into_iter().filter(|(name, _)| !named(name)) {
        bounded.extend([separator, name, "=", value]);
        separator = "&";
    }
    bounded
}

#[cfg(test)]
mod tests {
    use super::bounded;

    #[test]
    fn nothing_that_the_server_has_no_part_in_may_hang() {
        let all =
            "connect_timeout=3&keepalives_idle=10&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=15000";
        assert_eq!(bounded("postgres://u:p@h/d"), format!("postgres://u:p@h/d?{all}"));
        assert_eq!(bounded("postgres://h"), format!("postgres://h?{all}"));
        assert_eq!(bounded("postgres:///d?"), format!("postgres:///d?{all}"));
        assert_eq!(bounded("postgres:///d?host=/run/pg&user=u"), format!("postgres:///d?host=/run/pg&user=u&{all}"));
        assert_eq!(
            bounded("postgres://u:p?connect_timeout=9@h/d"),
            format!("postgres://u:p?connect_timeout=9@h/d?{all}")
        );
    }

    #[test]
    fn what_the_address_says_itself_goes_first() {
        let own = "postgres://h/d?connect_timeout=60&keepalives_idle=1&keepalives_interval=1&keepalives_count=1&tcp_user_timeout=0";
        assert_eq!(bounded(own), own);
        let bounded = bounded("postgres://h/d?connect_timeout=60");
        assert_eq!(bounded.matches("connect_timeout").count(), 1, "{bounded}");
        assert!(bounded.contains("tcp_user_timeout=15000"), "{bounded}");
    }
}
