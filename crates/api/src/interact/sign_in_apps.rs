//! The apps that somebody has let in by sign-in, and ending that.

use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_store::StoreError;
use concord_store::named::{Ground, Permitted};
use concord_store::rows::Version;
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::session::Session;
use crate::interact::{access, update};

const CONSENT: ResourceType = ResourceType::of("Consent");

/// An app that somebody has let in, with all that they have let it do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connected {
    /// Its `client_id`.
    pub(crate) client: String,
    /// Since when without a break, in seconds since 1970.
    pub(crate) since_s: i64,
    /// When it got a token last; 0 if it has not.
    pub(crate) used_s: i64,
    /// Until when.
    pub(crate) until_s: i64,
    /// The scopes that were let last.
    pub(crate) scope: String,
    /// The Consents that were stored with it: logical ids.
    pub(crate) consents: Vec<String>,
}

/// The apps that a person, a reference, has let in, the latest first.
pub(crate) fn connected(
    transaction: &mut Transaction<'_>,
    person: &str,
    now_s: i64,
) -> Result<Vec<Connected>, StoreError> {
    let mut apps: Vec<Connected> = Vec::new();
    for grant in transaction.grants_of(person, now_s)? {
        let consent = Some(grant.consent).filter(|id| !id.is_empty());
        match apps.iter_mut().find(|app| app.client == grant.client) {
            Some(app) => {
                app.since_s = app.since_s.min(grant.begun_s);
                app.used_s = app.used_s.max(grant.used_s);
                app.until_s = app.until_s.max(grant.lasts_s);
                app.consents.extend(consent.filter(|id| !app.consents.contains(id)));
            }
            None => apps.push(Connected {
                client: grant.client,
                since_s: grant.begun_s,
                used_s: grant.used_s,
                until_s: grant.lasts_s,
                scope: grant.scope,
                consents: consent.into_iter().collect(),
            }),
        }
    }
    Ok(apps)
}

/// What a Consent says that is active.
fn active(consent: &Version) -> Result<Option<Value<'static>>, ApiError> {
    if consent.deleted {
        return Ok(None);
    }
    let resource = access::stored(consent)?;
    Ok((resource.text("status") == Some("active")).then_some(resource))
}

/// Ends what a person has let an app do: its tokens work no longer, and the Consents that were stored with it are inactive.
/// Whether there was anything to end.
pub(crate) fn end(session: &mut Session<'_, '_>, person: &str, client: &str) -> Result<bool, ApiError> {
    let now_s = session.transaction.now.div_euclid(1000);
    let known = connected(session.transaction, person, now_s)?.into_iter().find(|app| app.client == client);
    let Some(app) = known else { return Ok(false) };
    session.transaction.end_grants_of_app(person, client, now_s)?;
    for id in app.consents {
        // What they have signed is theirs to end, and the update is decided on like any other.
        let named = session.transaction.named(CONSENT, &id, true)?;
        #[expect(clippy::disallowed_methods, reason = "what they have signed, as the sign-in has kept it")]
        let found = named.evaluated(|head| {
            Ok::<_, ApiError>(active(&head.version)?.map(|consent| Permitted::on(Ground::Signed, head).with(consent)))
        })?;
        let Some((_, mut resource)) = found else { continue };
        if let Some(object) = resource.as_object_mut() {
            object.set("status", Value::string("inactive"));
        }
        session.unlogged(|session| update::update(session, CONSENT, &id, resource, None))?;
    }
    Ok(true)
}
