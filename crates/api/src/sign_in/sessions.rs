//! Who is signed in with a browser.

use concord_consent::caller::Actor;
use concord_signin::secret::Kind;
use concord_store::StoreError;
use concord_store::audit::Record;
use concord_store::sign_in::NewSession;
use concord_store::transaction::Transaction;

use crate::interact::access::person::record_signing_in;
use crate::interact::audit;
use crate::sign_in::{BrowserSecret, Fault, OWN_CLIENT, SignIn, Signing, Standing, people};

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
    /// After how many minutes without a page they are not signed in any more.
    pub(crate) idle_minutes: i64,
    /// The hash of the session.
    pub(crate) session: String,
    /// What a form of this session has to bring along, so that no other page can send it.
    pub(crate) form_token: String,
}

/// What the log is told of somebody who signs in.
struct ComingIn {
    /// The patient in whose record they are: a logical id.
    patient: Option<String>,
    record: Record,
}

impl ComingIn {
    fn record(&self, transaction: &mut Transaction<'_>) -> Result<Record, StoreError> {
        let key = self.patient.as_deref().map(|id| record_signing_in(transaction, id)).transpose()?.flatten();
        Ok(Record { patient: key.unwrap_or(0), ..self.record.clone() })
    }
}

impl SignIn {
    /// Who is signed in with the browser that has this cookie.
    pub(crate) async fn signed_in(&self, cookie: Option<&BrowserSecret>) -> Result<Option<SignedIn>, Fault> {
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
            idle_minutes: self.settings.session_idle_minutes,
            session,
            form_token: cookie.form_token(),
        }))
    }

    /// Signs somebody in: the cookie. The session that the browser had ends, so that nobody can have given it to them. The log tells that
    /// they came in.
    pub(crate) async fn begin_session(
        &self,
        signing: Signing,
        before: Option<&BrowserSecret>,
        request_id: &str,
    ) -> Result<BrowserSecret, Fault> {
        let came_in = self.coming_in(&signing, request_id).await?;
        self.begin(Kind::Session, signing, before.map(BrowserSecret::hash), Some(came_in)).await
    }

    /// Keeps who has come without having been asked, until they say that it is they: what the browser keeps then is no session.
    pub(crate) async fn keep_arrival(&self, signing: Signing) -> Result<BrowserSecret, Fault> {
        self.begin(Kind::Arrival, signing, None, None).await
    }

    /// Signs in who has come, as they have said that it is they: the cookie; none if they have come long ago. What the browser has kept
    /// until then is of no use any more.
    pub(crate) async fn begin_arrived(
        &self,
        arrival: &BrowserSecret,
        before: Option<&BrowserSecret>,
        request_id: &str,
    ) -> Result<Option<BrowserSecret>, Fault> {
        let Some(known) = self.signed_in(Some(arrival)).await? else { return Ok(None) };
        // Whoever comes without having been asked comes from the only login service that takes that.
        let provider = self.takes_assertions().unwrap_or_default().to_owned();
        let signing = Signing { person: known.person, standing: known.standing, provider, ..Signing::default() };
        let came_in = self.coming_in(&signing, request_id).await?;
        let cookie = BrowserSecret::fresh(Kind::Session)?;
        let (from, to, before, now_s) = (arrival.hash(), cookie.hash(), before.map(BrowserSecret::hash), self.now_s());
        let begin = move |transaction: &mut Transaction<'_>| {
            let begun = before
                .as_deref()
                .map_or(Ok(()), |before| transaction.end_session(before, now_s))
                .and_then(|()| transaction.rename_session(&from, &to))
                .and_then(|begun| Ok((begun, came_in.record(transaction)?)));
            match begun {
                Ok((true, record)) => (Ok(true), vec![record]),
                Ok((false, _)) => (Ok(false), Vec::new()),
                Err(error) => (Err(error), Vec::new()),
            }
        };
        Ok(self.service.store.change(begin).await?.then_some(cookie))
    }

    async fn begin(
        &self,
        kind: Kind,
        signing: Signing,
        before: Option<String>,
        came_in: Option<ComingIn>,
    ) -> Result<BrowserSecret, Fault> {
        let cookie = BrowserSecret::fresh(kind)?;
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
                .and_then(|()| transaction.begin_session(&new, now_s))
                .and_then(|()| came_in.as_ref().map(|one| one.record(transaction)).transpose());
            match begun {
                Ok(record) => (Ok(()), record.into_iter().collect()),
                Err(error) => (Err(error), Vec::new()),
            }
        };
        self.service.store.change(begin).await?;
        Ok(cookie)
    }

    /// What the log tells of somebody who signs in: in the log of the patient in whose record they are, so that she sees when somebody
    /// came in as she, or as her relative.
    async fn coming_in(&self, signing: &Signing, request_id: &str) -> Result<ComingIn, Fault> {
        let actor = people::actor(&signing.person);
        let patient = match &actor {
            Some(Actor::Patient(id)) => Some(id.clone()),
            Some(Actor::RelatedPerson(_)) => {
                self.somebody(&signing.person).await?.and_then(|somebody| somebody.relative_of)
            }
            _ => None,
        };
        let is_relative = matches!(actor, Some(Actor::RelatedPerson(_)));
        let mut reason = match signing.provider.as_str() {
            "" => "sign-in.picked".to_owned(),
            provider => format!("sign-in.with:{provider}"),
        };
        if !signing.standing.is_proven() {
            reason.push_str(", sign-in.unproven");
        }
        let mut record = audit::came_in(&signing.person, OWN_CLIENT, &reason, request_id);
        // What they came in as lies in her record, and may be kept from her; then so is this.
        if let Some((resource_type, id)) = actor.as_ref().filter(|_| is_relative).and_then(Actor::resource) {
            (record.resource_type, record.entity) = (resource_type.number(), id.to_owned());
        }
        Ok(ComingIn { patient, record })
    }

    /// Signs out whoever has this cookie, and ends what apps were let do until then.
    pub(crate) async fn end_session_of(&self, cookie: &BrowserSecret) -> Result<(), Fault> {
        let (session, now_s) = (cookie.hash(), self.now_s());
        self.service.store.change(move |transaction| (transaction.end_session(&session, now_s), Vec::new())).await?;
        Ok(())
    }

    /// When a session that was begun then ends at the latest, in seconds since 1970.
    pub(super) fn session_ends_s(&self, since_s: i64) -> i64 {
        since_s + self.settings.session_hours * 3600
    }
}
