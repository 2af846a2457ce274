//! The apps that a person has let in, for the page that lists them.

use concord_consent::caller::Actor;
use concord_store::transaction::Transaction;

use crate::interact::audit::Interaction;
use crate::interact::audit::entry::AuditEntry;
use crate::interact::session::Session;
use crate::interact::sign_in_apps;
use crate::sign_in::{Fault, SignIn, SignedIn, people};

/// An app that a person has let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectedApp {
    /// Its `client_id`.
    pub(crate) client: String,
    /// What it is called.
    pub(crate) name: String,
    /// Since when, in seconds since 1970.
    pub(crate) since_s: i64,
    /// When it got a token last; 0 if it has not.
    pub(crate) used_s: i64,
    /// Until when.
    pub(crate) until_s: i64,
}

impl SignIn {
    /// The apps that somebody has let in, the latest first.
    pub(crate) async fn connected(&self, signed_in: &SignedIn) -> Result<Vec<ConnectedApp>, Fault> {
        let (person, now_s) = (signed_in.person.clone(), self.now_s());
        let find =
            move |transaction: &mut Transaction<'_>| (sign_in_apps::connected(transaction, &person, now_s), Vec::new());
        let mut apps = Vec::new();
        for one in self.service.store.read(find).await? {
            let name = self.client(&one.client).await?.map_or_else(|| one.client.clone(), |client| client.name);
            apps.push(ConnectedApp {
                name,
                client: one.client,
                since_s: one.since_s,
                used_s: one.used_s,
                until_s: one.until_s,
            });
        }
        Ok(apps)
    }

    /// Ends what somebody has let an app do; whether there was anything to end. A patient's Consent about it ends too.
    pub(crate) async fn end_app(&self, signed_in: &SignedIn, client: &str, request_id: &str) -> Result<bool, Fault> {
        let (person, client, now_s) = (signed_in.person.clone(), client.to_owned(), self.now_s());
        let Some(Actor::Patient(id)) = people::actor(&person) else {
            let end = move |transaction: &mut Transaction<'_>| {
                (transaction.end_grants_of_app(&person, &client, now_s), Vec::new())
            };
            return Ok(self.service.store.change(end).await? > 0);
        };
        let (call, service) = (self.call_of_patient(&id, request_id), std::sync::Arc::clone(&self.service));
        let end = move |transaction: &mut Transaction<'_>| {
            let mut audit = AuditEntry::begin(&call, Interaction::Operation, None)
                .asking(format!("$end-app-access?client={client}"));
            audit.about(&id);
            Session::run(&service, &call, transaction, audit, |session| sign_in_apps::end(session, &person, &client))
        };
        Ok(self.service.store.change(end).await?)
    }
}
