//! Starting an app from another one (SMART App Launch 2.2, "Launch App: EHR Launch"): an app of those who keep the record says which
//! app its user starts and what they look at; the app that is started brings that along when it asks.

use concord_consent::caller::{Actor, App};
use concord_signin::context::Item;
use concord_signin::error::{ErrorCode, OauthError};
use concord_signin::secret::{self, Kind};
use concord_store::sign_in::Launch;
use concord_store::transaction::Transaction;

use crate::auth::{Identity, Verified};
use crate::error::ApiError;
use crate::interact::Call;
use crate::sign_in::{Fault, SignIn};

/// How long an app may take to ask, in seconds.
pub(crate) const LASTS_S: i64 = 300;

/// Which app is started, and what its user looks at.
#[derive(Clone, Debug)]
pub(crate) struct Starting<'a> {
    /// The app.
    pub(crate) client: &'a str,
    /// Whose record: a logical id.
    pub(crate) patient: &'a str,
    /// Which encounter: a logical id.
    pub(crate) encounter: Option<&'a str>,
    /// What else they look at.
    pub(crate) context: Vec<Item>,
}

impl SignIn {
    /// What the app that is started has to bring along.
    ///
    /// # Errors
    /// When who calls may start none, or may not see what they say that they look at.
    pub(crate) async fn start(
        &self,
        verified: &Verified,
        starting: &Starting<'_>,
        request_id: &str,
    ) -> Result<String, Fault> {
        const MAY_NOT: OauthError = OauthError::new(
            ErrorCode::UnauthorizedClient,
            "only an app of those who keep the record starts others, for a person who is signed in",
        );
        const UNSEEN: OauthError =
            OauthError::request("the patient or the encounter is none that the app shows to this person");
        let Identity::Known(caller) = &verified.identity else { return Err(MAY_NOT.into()) };
        let person = caller.actor.reference().filter(|_| caller.actor != Actor::System).ok_or(MAY_NOT)?;
        if caller.credentials.app != App::Own {
            return Err(MAY_NOT.into());
        }
        let client = self.client(starting.client).await?.filter(|client| !client.redirect_uris.is_empty());
        let client = client.ok_or(OauthError::request("there is no such app to start"))?;
        let call = Call::of(caller.clone(), request_id);
        if self.seen(&call, "Patient", starting.patient).await?.is_none() {
            return Err(UNSEEN.into());
        }
        if let Some(encounter) = starting.encounter {
            let records = self.seen(&call, "Encounter", encounter).await?.unwrap_or_default();
            if !records.iter().any(|one| one == starting.patient) {
                return Err(UNSEEN.into());
            }
        }
        for item in &starting.context {
            self.require_seen(&call, item, starting.patient).await?;
        }
        let context = match starting.context.as_slice() {
            [] => String::new(),
            items => serde_json::to_string(items).map_err(|error| ApiError::Internal(error.to_string()))?,
        };
        let launch = secret::fresh(Kind::Launch)?;
        let hash = secret::hash(&launch);
        let stored = Launch {
            client: client.id,
            person,
            patient: starting.patient.to_owned(),
            encounter: starting.encounter.unwrap_or_default().to_owned(),
            context,
            expires_s: self.now_s() + LASTS_S,
        };
        self.service.store.change(move |transaction| (transaction.add_launch(&hash, &stored), Vec::new())).await?;
        Ok(launch)
    }

    /// Refuses what is in context unless the caller may see it, and it is in the patient's record or in nobody's.
    async fn require_seen(&self, call: &Call, item: &Item, patient: &str) -> Result<(), Fault> {
        const UNSEEN: OauthError = OauthError::request(
            "an entry of fhirContext is none that the app shows to this person, or about another patient",
        );
        let (resource_type, id) = item.named().ok_or(UNSEEN)?;
        let records = self.seen(call, resource_type.name(), id).await?.ok_or(UNSEEN)?;
        match records.is_empty() || records.iter().any(|one| one == patient) {
            true => Ok(()),
            false => Err(UNSEEN.into()),
        }
    }

    /// The patients in whose records a resource is filed, by whichever of its elements and however it names them, if the caller may
    /// see it. The log tells that they did.
    pub(super) async fn seen(&self, call: &Call, type_name: &str, id: &str) -> Result<Option<Vec<String>>, Fault> {
        let Some(version) = self.read_as(call, type_name, id).await? else { return Ok(None) };
        let is_filed = version.patients > 0;
        let find = move |transaction: &mut Transaction<'_>| (transaction.patient_ids_of(&version), Vec::new());
        let records = self.service.store.read(find).await?;
        // What has left all records meanwhile is not what was seen.
        Ok(Some(records).filter(|records| !(is_filed && records.is_empty())))
    }

    /// What an app brings along, if it was started so, by this person, and has not asked before.
    ///
    /// # Errors
    /// `invalid_request` when it was not.
    pub(super) async fn started(&self, launch: &str, client: &str, person: &str) -> Result<Launch, Fault> {
        let (hash, now_s) = (secret::hash(launch), self.now_s());
        let find = move |transaction: &mut Transaction<'_>| (transaction.launch(&hash, now_s), Vec::new());
        let found = self.service.store.read(find).await?;
        Ok(found.filter(|launch| launch.client == client && launch.person == person).ok_or(UNKNOWN)?)
    }

    /// Lets nothing come of it again.
    ///
    /// # Errors
    /// `invalid_request` when something has.
    pub(super) async fn take_start(&self, launch: &str) -> Result<(), Fault> {
        let hash = secret::hash(launch);
        let take = move |transaction: &mut Transaction<'_>| (transaction.take_launch(&hash), Vec::new());
        match self.service.store.change(take).await? {
            true => Ok(()),
            false => Err(UNKNOWN.into()),
        }
    }
}

const UNKNOWN: OauthError = OauthError::request(
    "the launch is not known, is of another app or person, is too old, or has been used: start the app again",
);
