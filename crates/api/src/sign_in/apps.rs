//! The apps that a person has let in, for the page that lists them.

use concord_consent::caller::Actor;
use concord_store::transaction::Transaction;

use crate::interact::audit::Interaction;
use crate::interact::audit::entry::AuditEntry;
use crate::interact::session::Session;
use crate::interact::sign_in_apps::{self, Ended};
use crate::sign_in::federation::UNPROVEN;
use crate::sign_in::{Fault, SignIn, SignedIn, people};

/// An app that a person has let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectedApp {
    /// Its `client_id`.
    pub(crate) client: String,
    /// As whom they have let it in, themselves or somebody's relative or carer: a reference.
    pub(crate) person: String,
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
    /// As whom somebody has let apps in: themselves, and whose relative or carer they are.
    async fn people_of(&self, signed_in: &SignedIn) -> Result<Vec<String>, Fault> {
        if !signed_in.standing.is_proven() {
            return Err(UNPROVEN.into());
        }
        Ok(match self.somebody(&signed_in.person).await? {
            None => vec![signed_in.person.clone()],
            Some(own) => self.acting_as(signed_in, own).await?.0.into_iter().map(|one| one.reference).collect(),
        })
    }

    /// The apps that somebody has let in, the latest first.
    ///
    /// # Errors
    /// `unmet_authentication_requirements` for whom nobody has proven to be that person.
    pub(crate) async fn connected(&self, signed_in: &SignedIn) -> Result<Vec<ConnectedApp>, Fault> {
        let now_s = self.now_s();
        let mut apps = Vec::new();
        for person in self.people_of(signed_in).await? {
            let own = person.clone();
            let find = move |transaction: &mut Transaction<'_>| {
                (sign_in_apps::connected(transaction, &own, now_s), Vec::new())
            };
            for one in self.service.store.read(find).await? {
                let name = self.client(&one.client).await?.map_or_else(|| one.client.clone(), |client| client.name);
                apps.push(ConnectedApp {
                    name,
                    client: one.client,
                    person: person.clone(),
                    since_s: one.since_s,
                    used_s: one.used_s,
                    until_s: one.until_s,
                });
            }
        }
        Ok(apps)
    }

    /// Ends what somebody has let an app do, as `person`. A patient's Consent about it ends too.
    ///
    /// # Errors
    /// `unmet_authentication_requirements` for whom nobody has proven to be that person.
    pub(crate) async fn end_app(
        &self,
        signed_in: &SignedIn,
        (client, person): (&str, &str),
        request_id: &str,
    ) -> Result<Ended, Fault> {
        let people = self.people_of(signed_in).await?;
        let Some(person) = people.into_iter().find(|one| one == person) else { return Ok(Ended::default()) };
        let (client, now_s) = (client.to_owned(), self.now_s());
        let Some(Actor::Patient(id)) = people::actor(&person) else {
            let end = move |transaction: &mut Transaction<'_>| {
                (transaction.end_grants_of_app(&person, &client, now_s), Vec::new())
            };
            let any = self.service.store.change(end).await? > 0;
            return Ok(Ended { any, left: Vec::new() });
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
