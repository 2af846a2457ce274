//! Who is signed in with a browser.

use concord_signin::secret::Kind;

use concord_store::sign_in::NewSession;
use concord_store::transaction::Transaction;

use crate::sign_in::{Fault, Kept, SignIn, Signing, Standing};

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedIn {
    /// Who: a reference.
    pub(crate) person: String,
    /// Since when, in seconds since 1970.
    pub(crate) since_s: i64,
    /// How strongly, 1 to 3; 0 when nothing is said.
    pub(crate) strength: i16,
    /// How surely they are known, and in which role they act.
    pub(crate) standing: Standing,
    /// The hash of the session.
    pub(crate) session: String,
    /// What a form of this session has to bring along, so that no other page can send it.
    pub(crate) form_token: String,
}

impl SignIn {
    /// Who is signed in with the browser that has this cookie.
    pub(crate) async fn signed_in(&self, cookie: Option<&Kept>) -> Result<Option<SignedIn>, Fault> {
        let Some(cookie) = cookie else { return Ok(None) };
        let (session, now_s) = (cookie.hash(), self.now_s());
        let begun_after = now_s - self.settings.session_hours * 3600;
        let seen_after = now_s - self.settings.session_idle_minutes * 60;
        let hash = session.clone();
        let found = self
            .service
            .store
            .change(move |transaction| (transaction.session_seen(&hash, now_s, begun_after, seen_after), Vec::new()))
            .await?;
        Ok(found.map(|found| SignedIn {
            person: found.person,
            since_s: found.begun_s,
            strength: found.strength,
            standing: Standing::stored(&found.standing),
            session,
            form_token: cookie.form_token(),
        }))
    }

    /// Signs somebody in: the cookie. The session that the browser had ends, so that nobody can have given it to them.
    pub(crate) async fn begin_session(&self, signing: Signing, before: Option<&Kept>) -> Result<Kept, Fault> {
        self.begin(Kind::Session, signing, before.map(Kept::hash)).await
    }

    /// Keeps who has come without having been asked, until they say that it is they: what the browser keeps then is no session.
    pub(crate) async fn keep_arrival(&self, signing: Signing) -> Result<Kept, Fault> {
        self.begin(Kind::Arrival, signing, None).await
    }

    /// Signs in who has come, as they have said that it is they: the cookie; none if they have come long ago. What the browser has kept
    /// until then is of no use any more.
    pub(crate) async fn begin_arrived(&self, arrival: &Kept, before: Option<&Kept>) -> Result<Option<Kept>, Fault> {
        if self.signed_in(Some(arrival)).await?.is_none() {
            return Ok(None);
        }
        let cookie = Kept::fresh(Kind::Session)?;
        let (from, to, before, now_s) = (arrival.hash(), cookie.hash(), before.map(Kept::hash), self.now_s());
        let begin = move |transaction: &mut Transaction<'_>| {
            let begun = before
                .as_deref()
                .map_or(Ok(()), |before| transaction.end_session(before, now_s))
                .and_then(|()| transaction.rename_session(&from, &to));
            (begun, Vec::new())
        };
        Ok(self.service.store.change(begin).await?.then_some(cookie))
    }

    async fn begin(&self, kind: Kind, signing: Signing, before: Option<String>) -> Result<Kept, Fault> {
        let cookie = Kept::fresh(kind)?;
        let now_s = self.now_s();
        let new = NewSession {
            hash: cookie.hash(),
            person: signing.person,
            strength: signing.strength,
            standing: signing.standing.to_text(),
            provider: signing.provider,
            subject: signing.subject,
            sid: signing.sid,
        };
        let begin = move |transaction: &mut Transaction<'_>| {
            let begun = before
                .as_deref()
                .map_or(Ok(()), |before| transaction.end_session(before, now_s))
                .and_then(|()| transaction.begin_session(&new, now_s));
            (begun, Vec::new())
        };
        self.service.store.change(begin).await?;
        Ok(cookie)
    }

    /// Signs out whoever has this cookie, and ends what apps were let do until then.
    pub(crate) async fn end_session_of(&self, cookie: &Kept) -> Result<(), Fault> {
        let (session, now_s) = (cookie.hash(), self.now_s());
        self.service.store.change(move |transaction| (transaction.end_session(&session, now_s), Vec::new())).await?;
        Ok(())
    }

    /// When a session that was begun then ends at the latest, in seconds since 1970.
    pub(super) fn session_ends_s(&self, since_s: i64) -> i64 {
        since_s + self.settings.session_hours * 3600
    }
}
