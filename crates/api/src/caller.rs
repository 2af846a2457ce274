//! A caller with what tells their rights from those of others, so that what is remembered for one serves nobody else and no longer
//! than these are the same.

use std::hash::{Hash, Hasher};
use std::ops::Deref;

use aws_lc_rs::digest;
use concord_consent::caller::Caller;

/// A caller, and a digest of all that decides what they may. It is made with them, once, and nothing of them changes afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCaller {
    caller: Caller,
    rights: Rights,
}

/// What tells a caller's rights from those of others: a digest of every member of [`Caller`]. A token is none: what it gives changes
/// with what its client is registered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rights([u8; 16]);

impl KnownCaller {
    /// The digest of all that decides what they may.
    pub(crate) fn rights(&self) -> Rights {
        self.rights
    }
}

impl From<Caller> for KnownCaller {
    fn from(caller: Caller) -> KnownCaller {
        let rights = Rights(digest_of(&caller));
        KnownCaller { caller, rights }
    }
}

impl Deref for KnownCaller {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

/// A digest of all members of a value, by the `Hash` that is derived for it: one that is added later is in it too. Two values that
/// differ have not the same one, however somebody chooses them.
pub(crate) fn digest_of(value: &impl Hash) -> [u8; 16] {
    let mut members = Members(Vec::with_capacity(512));
    value.hash(&mut members);
    let mut sum = [0; 16];
    for (to, from) in sum.iter_mut().zip(digest::digest(&digest::SHA256, &members.0).as_ref()) {
        *to = *from;
    }
    sum
}

/// Takes down what is hashed as it is, each member with its end or its length.
struct Members(Vec<u8>);

impl Hasher for Members {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Nobody asks for it: the bytes are what counts.
    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concord_consent::caller::{Actor, App, Credentials, PrivilegedRole, Proofing};
    use concord_consent::purpose::Purpose;
    use concord_consent::scope::Scopes;

    fn caller(scope: &str) -> Caller {
        Caller {
            actor: Actor::Practitioner("gp".to_owned()),
            subject: "s".to_owned(),
            issuer: "i".to_owned(),
            client: "c".to_owned(),
            scopes: Scopes::parse(scope),
            patient: Some("amina".to_owned()),
            credentials: Credentials::default(),
        }
    }

    /// Callers who differ from one in one member each. Whoever adds a member adds what differs in it.
    fn others(one: &Caller) -> Vec<Caller> {
        let Caller { actor: _, subject: _, issuer: _, client: _, scopes: _, patient: _, credentials } = one.clone();
        let Credentials {
            proofing: _,
            authentication: _,
            login: _,
            privileged_roles: _,
            app: _,
            client_is_ambiguous: _,
            purposes: _,
        } = credentials.clone();
        let with = |credentials: Credentials| Caller { credentials, ..one.clone() };
        let scoped = |scope: &str| Caller { scopes: Scopes::parse(scope), ..one.clone() };
        let bounded = |purposes: Vec<Purpose>| with(Credentials { purposes: Some(purposes), ..credentials.clone() });
        let mut others = vec![
            Caller { actor: Actor::PractitionerRole("gp".to_owned()), ..one.clone() },
            Caller { actor: Actor::Practitioner("g".to_owned()), ..one.clone() },
            Caller { actor: Actor::System, ..one.clone() },
            Caller { subject: "si".to_owned(), issuer: String::new(), ..one.clone() },
            Caller { issuer: "ic".to_owned(), client: String::new(), ..one.clone() },
            Caller { client: "d".to_owned(), ..one.clone() },
            Caller { patient: None, ..one.clone() },
            Caller { patient: Some(String::new()), ..one.clone() },
            Caller { patient: Some("ben".to_owned()), ..one.clone() },
            with(Credentials { proofing: Proofing::P5, ..credentials.clone() }),
            with(Credentials { authentication: Some(2), ..credentials.clone() }),
            with(Credentials { login: Some("l".to_owned()), ..credentials.clone() }),
            with(Credentials { privileged_roles: vec![PrivilegedRole::PrivacyOfficer], ..credentials.clone() }),
            with(Credentials { app: App::ThirdParty, ..credentials.clone() }),
            with(Credentials { client_is_ambiguous: true, ..credentials.clone() }),
            bounded(Vec::new()),
            bounded(vec![Purpose::TREATMENT]),
            bounded(vec![Purpose::TREATMENT, Purpose::EMERGENCY]),
        ];
        others.extend(
            [
                "",
                "user/Observation.rs",
                "user/*.r",
                "patient/*.rs",
                "user/*.rs user/Observation.rs",
                "user/*.rs?category=vital-signs",
                "user/*.rs?category=laboratory",
                "user/*.rs?code=vital-signs",
                "user/*.rs?category=vital-signs&code=x",
            ]
            .map(scoped),
        );
        others
    }

    #[test]
    fn whoever_differs_in_any_member_has_other_rights() {
        let one = caller("user/*.rs");
        let mut all = others(&one);
        all.push(one.clone());
        let rights: Vec<Rights> = all.iter().map(|caller| KnownCaller::from(caller.clone()).rights()).collect();
        for (place, own) in rights.iter().enumerate() {
            let alike = rights.iter().filter(|other| *other == own).count();
            assert_eq!(alike, 1, "{:?}", all.get(place));
        }
        assert_eq!(KnownCaller::from(one.clone()).rights(), KnownCaller::from(one).rights());
    }
}
