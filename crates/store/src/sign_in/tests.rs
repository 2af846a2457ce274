use super::*;
use crate::testing::Scratch;

fn grant(id: &str) -> NewGrant {
    NewGrant {
        id: id.to_owned(),
        client: "app".to_owned(),
        person: "Patient/a".to_owned(),
        lasts_s: 1_000,
        ..NewGrant::default()
    }
}

fn session(hash: &str, strength: i16) -> NewSession {
    NewSession { hash: hash.to_owned(), person: "Patient/a".to_owned(), strength, ..NewSession::default() }
}

fn client(id: &str, registrar: &str) -> NewClient {
    let owned = |text: &str| text.to_owned();
    NewClient { id: owned(id), body: owned("{}"), registrar: owned(registrar), management: String::new() }
}

fn code(family: &str) -> Code {
    Code {
        family: family.to_owned(),
        client: "app".to_owned(),
        redirect_uri: "https://app.example/".to_owned(),
        challenge: "c".to_owned(),
        nonce: String::new(),
        expires_s: 60,
    }
}

#[tokio::test]
async fn what_is_used_once_is_taken_once() {
    for scratch in Scratch::both() {
        let work = |transaction: &mut Transaction<'_>| {
            transaction.add_code("h", &code("f"))?;
            transaction.add_refresh("r", "f", 500)?;
            assert_eq!(transaction.take_code("h", 10)?, Taken::Now(code("f")));
            assert_eq!(transaction.take_code("h", 11)?, Taken::Before("f".to_owned()));
            assert_eq!(transaction.take_code("other", 11)?, Taken::Unknown);
            assert!(transaction.refresh_token("r", 10)?.is_some() && transaction.refresh_token("r", 500)?.is_none());
            assert!(matches!(transaction.take_refresh("r", 10)?, Taken::Now(_)));
            assert_eq!(transaction.take_refresh("r", 11)?, Taken::Before("f".to_owned()));
            assert!(transaction.remember_assertion("c", "j", 100)?);
            assert!(!transaction.remember_assertion("c", "j", 100)? && transaction.remember_assertion("d", "j", 100)?);
            Ok::<_, StoreError>(())
        };
        scratch.store().write(move |transaction| (work(transaction), Vec::new())).await.unwrap();
    }
}

#[tokio::test]
async fn a_token_works_as_long_as_what_it_came_of() {
    for scratch in Scratch::both() {
        let access = |hash: &str, family: &str| NewAccess {
            hash: hash.to_owned(),
            family: family.to_owned(),
            client: "app".to_owned(),
            scope: "patient/*.rs".to_owned(),
            expires_s: 300,
        };
        let work = move |transaction: &mut Transaction<'_>| {
            transaction.begin_grant(&grant("f"), 1)?;
            transaction.add_access(&access("a", "f"), 1)?;
            transaction.add_access(&access("own", ""), 1)?;
            transaction.add_access(&access("lost", "nothing"), 1)?;
            let mut works = |hash: &str, now_s| transaction.access_token(hash, now_s).map(|found| found.is_some());
            assert!(works("a", 299)? && works("own", 299)? && !works("lost", 299)?);
            assert!(!works("a", 300)? && !works("own", 300)?);
            transaction.end_grant("f", 5)?;
            assert_eq!(transaction.access_token("a", 10)?, None);
            transaction.revoke_access("own")?;
            assert_eq!(transaction.access_token("own", 10)?, None);
            Ok::<_, StoreError>(())
        };
        scratch.store().write(move |transaction| (work(transaction), Vec::new())).await.unwrap();
    }
}

#[tokio::test]
async fn the_last_few_grants_of_an_app_go_on_and_old_ones_are_forgotten() {
    for scratch in Scratch::both() {
        let work = |transaction: &mut Transaction<'_>| {
            for number in 0..20 {
                transaction.begin_grant(&grant(&number.to_string()), number)?;
            }
            let left: Vec<String> = transaction.grants_of("Patient/a", 50)?.into_iter().map(|one| one.id).collect();
            assert_eq!(left, ["19", "18", "17", "16", "15", "14", "13", "12", "11", "10"]);
            assert!(transaction.grants_of("Patient/a", 1_000)?.is_empty());
            transaction.add_code("h", &code("f"))?;
            transaction.begin_session(&session("s", 2), 10)?;
            assert_eq!(transaction.forget_expired_sign_in(60 + 86_399, 9)?, 0);
            assert_eq!(transaction.forget_expired_sign_in(60 + 86_400, 10)?, 2);
            assert_eq!(transaction.forget_expired_sign_in(1_000 + 366 * 86_400, 10)?, 20);
            Ok::<_, StoreError>(())
        };
        scratch.store().write(move |transaction| (work(transaction), Vec::new())).await.unwrap();
    }
}

#[tokio::test]
async fn a_session_ends_by_itself_and_by_its_person() {
    for scratch in Scratch::both() {
        let work = |transaction: &mut Transaction<'_>| {
            transaction.begin_session(&session("s", 0), 100)?;
            assert_eq!(transaction.session_seen("s", 200, 50, 50)?.unwrap().person, "Patient/a");
            assert!(transaction.session_seen("s", 900, 50, 200)?.is_none(), "idle");
            assert!(transaction.session_seen("s", 900, 100, 50)?.is_none(), "old");
            transaction.begin_grant(&NewGrant { browser: "s".to_owned(), ..grant("f") }, 100)?;
            transaction.begin_grant(&grant("g"), 100)?;
            transaction.end_session("s", 300)?;
            assert!(transaction.session_seen("s", 300, 50, 50)?.is_none());
            assert!(transaction.grant("f", 300)?.is_none() && transaction.grant("g", 300)?.is_some());
            Ok::<_, StoreError>(())
        };
        scratch.store().write(move |transaction| (work(transaction), Vec::new())).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_is_revoked_with_all_that_came_of_it() {
    for scratch in Scratch::both() {
        let work = |transaction: &mut Transaction<'_>| {
            assert!(
                transaction.add_sign_in_client(&client("app", ""), 1)?
                    && !transaction.add_sign_in_client(&client("app", ""), 2)?
            );
            transaction.begin_grant(&grant("f"), 1)?;
            assert!(transaction.revoke_sign_in_client("app", 5)? && !transaction.revoke_sign_in_client("app", 6)?);
            assert!(transaction.grant("f", 10)?.is_none());
            assert!(transaction.sign_in_client("app")?.unwrap().is_revoked());
            assert!(!transaction.change_sign_in_client("app", "{}", 7)?);
            Ok::<_, StoreError>(())
        };
        scratch.store().write(move |transaction| (work(transaction), Vec::new())).await.unwrap();
    }
}

#[tokio::test]
async fn who_registers_themselves_is_forgotten_when_nobody_lets_them_in() {
    for scratch in Scratch::both() {
        let work = |transaction: &mut Transaction<'_>| {
            for (id, registrar) in [("used", SELF), ("unused", SELF), ("by-command", ""), ("by-system", "admin")] {
                assert!(transaction.add_sign_in_client(&client(id, registrar), 0)?);
            }
            transaction.begin_grant(&NewGrant { client: "used".to_owned(), lasts_s: i64::MAX, ..grant("f") }, 1)?;
            assert_eq!(transaction.self_registered()?, 2);
            transaction.forget_expired_sign_in(30 * 86_400 - 1, 0)?;
            assert_eq!(transaction.self_registered()?, 2);
            transaction.forget_expired_sign_in(30 * 86_400, 0)?;
            let left: Vec<String> = transaction.sign_in_clients()?.into_iter().map(|one| one.id).collect();
            assert_eq!(left, ["by-command", "by-system", "used"]);
            transaction.add_invitation("i", 100)?;
            assert!(!transaction.take_invitation("i", 100)? && transaction.take_invitation("i", 99)?);
            assert!(!transaction.take_invitation("i", 99)?, "once");
            Ok::<_, StoreError>(())
        };
        scratch.store().write(move |transaction| (work(transaction), Vec::new())).await.unwrap();
    }
}

#[tokio::test]
async fn a_login_service_ends_what_it_names() {
    for scratch in Scratch::both() {
        let named = |hash: &str, provider: &str, subject: &str, sid: &str| NewSession {
            provider: provider.to_owned(),
            subject: subject.to_owned(),
            sid: sid.to_owned(),
            ..session(hash, 0)
        };
        let work = move |transaction: &mut Transaction<'_>| {
            for (hash, provider, subject, sid) in
                [("1", "nhs", "s", "x"), ("2", "nhs", "s", "y"), ("3", "nhs", "t", "x"), ("4", "cis2", "s", "x")]
            {
                transaction.begin_session(&named(hash, provider, subject, sid), 10)?;
            }
            transaction.begin_grant(&NewGrant { browser: "1".to_owned(), ..grant("bound") }, 10)?;
            transaction.begin_grant(&grant("offline"), 10)?;
            assert_eq!(transaction.end_sessions_of("nhs", None, None, 11)?, 0);
            assert_eq!(transaction.end_sessions_of("nhs", Some("s"), Some("x"), 11)?, 1);
            assert!(transaction.grant("bound", 11)?.is_none() && transaction.grant("offline", 11)?.is_some());
            assert_eq!(transaction.end_sessions_of("nhs", Some("s"), None, 11)?, 1);
            assert_eq!(transaction.end_sessions_of("nhs", None, Some("x"), 11)?, 1);
            assert!(transaction.session_seen("4", 12, 0, 0)?.is_some(), "another service's");
            Ok::<_, StoreError>(())
        };
        scratch.store().write(move |transaction| (work(transaction), Vec::new())).await.unwrap();
    }
}
