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

/// What ending an app's access has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Whether there was anything to end.
    pub(crate) any: bool,
    /// The Consents that could not be changed, and stay active: logical ids.
    pub(crate) left: Vec<String>,
}

/// What somebody is to do about those.
pub(crate) const LEFT: &str = "the app is let in no more, and this sharing choice about it could not be changed: something that it names \
                               may not be there any more. Take that out of it and set it inactive, or delete it";

/// Ends what a person has let an app do: its tokens work no longer, and the Consents that were stored with it are inactive, but for
/// those that cannot be changed: nobody has to go on sharing for that.
pub(crate) fn end(session: &mut Session<'_, '_>, person: &str, client: &str) -> Result<Ended, ApiError> {
    let now_s = session.transaction.now.div_euclid(1000);
    let known = connected(session.transaction, person, now_s)?.into_iter().find(|app| app.client == client);
    let Some(app) = known else { return Ok(Ended::default()) };
    session.transaction.end_grants_of_app(person, client, now_s)?;
    let mut left = Vec::new();
    for id in app.consents {
        match session.undone_alone(|session| end_consent(session, &id)) {
            Ok(()) => {}
            Err(ApiError::Unprocessable(_) | ApiError::Denied(_) | ApiError::PreconditionFailed(_)) => left.push(id),
            Err(fault) => return Err(fault),
        }
    }
    Ok(Ended { any: true, left })
}

/// Makes a Consent inactive that is active.
fn end_consent(session: &mut Session<'_, '_>, id: &str) -> Result<(), ApiError> {
    // What they have signed is theirs to end, and the update is decided on like any other.
    let named = session.transaction.named(CONSENT, id, true)?;
    #[expect(clippy::disallowed_methods, reason = "what they have signed, as the sign-in has kept it")]
    let found = named.evaluated(|head| {
        Ok::<_, ApiError>(active(&head.version)?.map(|consent| Permitted::on(Ground::Signed, head).with(consent)))
    })?;
    let Some((_, mut resource)) = found else { return Ok(()) };
    if let Some(object) = resource.as_object_mut() {
        object.set("status", Value::string("inactive"));
    }
    update::update(session, CONSENT, id, resource, None).map(drop)
}

/// What the person who let an app in has written into its Consent as exceptions: all denials inside it that say what of, each once.
/// It is kept when they let the app in anew.
///
/// # Errors
/// When the store fails.
pub(crate) fn exceptions(transaction: &mut Transaction<'_>, consent: &str) -> Result<Vec<Value<'static>>, ApiError> {
    let named = transaction.named(CONSENT, consent, true)?;
    #[expect(clippy::disallowed_methods, reason = "what they have signed, as the sign-in has kept it")]
    let found = named.evaluated(|head| {
        let stored = if head.version.deleted { None } else { Some(access::stored(&head.version)?) };
        Ok::<_, ApiError>(stored.map(|stored| Permitted::on(Ground::Signed, head).with(stored)))
    })?;
    let mut found_in = Vec::new();
    if let Some(root) = found.as_ref().and_then(|(_, stored)| stored.get("provision")) {
        add_exceptions(root, &mut found_in);
    }
    Ok(found_in)
}

/// What a provision says of the data that it is about.
const ABOUT: [&str; 9] =
    ["period", "action", "securityLabel", "purpose", "class", "code", "dataPeriod", "data", "provision"];

fn add_exceptions(provision: &Value<'_>, found: &mut Vec<Value<'static>>) {
    for inner in provision.list("provision") {
        let is_denial = inner.text("type") == Some("deny");
        if is_denial && ABOUT.iter().any(|name| inner.get(name).is_some()) {
            if found.iter().all(|known| !known.same(inner)) {
                found.push(inner.clone().into_owned());
            }
        } else if !is_denial {
            add_exceptions(inner, found);
        }
    }
}

/// A Consent with exceptions in each of its permits; beside them where it permits nothing now, for the next time.
pub(crate) fn with_exceptions(consent: &mut Value<'static>, exceptions: &[Value<'static>]) {
    if exceptions.is_empty() {
        return;
    }
    let Some(root) = consent.as_object_mut().and_then(|consent| consent.get_mut("provision")) else { return };
    let mut permits = root.list("provision").to_vec();
    for permit in permits.iter_mut().filter_map(Value::as_object_mut) {
        permit.set("provision", Value::Array(exceptions.to_vec()));
    }
    let inside = if permits.is_empty() { exceptions.to_vec() } else { permits };
    if let Some(root) = root.as_object_mut() {
        root.set("provision", Value::Array(inside));
    }
}
