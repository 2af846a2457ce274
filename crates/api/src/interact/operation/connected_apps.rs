//! `$connected-apps`: the apps that the patient has let in by sign-in, since when, what they may, when they were here last.
//! `$end-app-access`: ends it.

use concord_consent::caller::{Actor, App, Proofing};
use concord_consent::request::Action;
use concord_fhir::registry::ResourceType;
use concord_model::build::{Content, Link, Parameter as Answered, parameter, parameters};

use crate::error::ApiError;
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::session::Session;
use crate::interact::sign_in_apps::{self, Connected};
use crate::interact::{access, instant, read};

const CONSENT: ResourceType = ResourceType::of("Consent");
const PATIENT: ResourceType = ResourceType::of("Patient");

/// `$connected-apps`
pub(super) const LIST: Operation = Operation {
    name: "$connected-apps",
    levels: &[Level::Instance],
    types: &["Patient"],
    conduct: Conduct::READS,
    computing: Computing::InProportion,
    description: "Lists the apps that the patient has let in by signing in: since when, with which scopes and Consent, used last, \
           until when. For the patient, in an app of those who keep the record, and for systems.",
    definition: None,
    parameters: &[],
    run: list,
};

/// `$end-app-access`
pub(super) const END: Operation = Operation {
    name: "$end-app-access",
    levels: &[Level::Instance],
    types: &["Patient"],
    conduct: Conduct { changes: true, logs_parameters: true, ..Conduct::READS },
    computing: Computing::InProportion,
    description: "Ends what the patient has let an app do: its tokens work no longer, and the Consent about it is inactive. For the \
           patient, in an app of those who keep the record.",
    definition: None,
    parameters: &[Parameter::required("client", "string", "The client_id of the app, as $connected-apps names it")],
    run: end,
};

fn list(session: &mut Session<'_, '_>, target: &OperationTarget, _input: &Input) -> Result<Output, ApiError> {
    let id = target.id.as_deref().unwrap_or_default();
    require_patient(session, id, Action::Read)?;
    let now_s = session.transaction.now.div_euclid(1000);
    let apps = sign_in_apps::connected(session.transaction, &format!("{PATIENT}/{id}"), now_s)?;
    Ok(Output::Value(parameters(apps.into_iter().map(answered).collect())?))
}

fn end(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let id = target.id.as_deref().unwrap_or_default();
    require_patient(session, id, Action::Update)?;
    let client = input.text("client").unwrap_or_default();
    let ended = sign_in_apps::end(session, &format!("{PATIENT}/{id}"), &client)?;
    let mut answer = vec![parameter("ended", Content::Boolean(ended.any))];
    for id in ended.left {
        let parts = vec![
            parameter("consent", Content::Reference(Link::To(format!("{CONSENT}/{id}")))),
            parameter("text", Content::String(sign_in_apps::LEFT.to_owned())),
        ];
        answer.push(parameter("left", Content::Parts(parts)));
    }
    Ok(Output::Value(parameters(answer)?))
}

/// Refuses anybody but the patient herself in an app of those who keep the record, and, to look, systems.
fn require_patient(session: &mut Session<'_, '_>, id: &str, action: Action) -> Result<(), ApiError> {
    session.audit.about(id);
    access::require_scope(session.call, action, CONSENT)?;
    let head = read::visible(session, PATIENT, id, Action::Read)?;
    let credentials = &session.call.caller.credentials;
    let may = match &session.call.caller.actor {
        Actor::System => action == Action::Read,
        Actor::Patient(own) => own == id && credentials.proofing == Proofing::P9 && credentials.app == App::Own,
        _ => false,
    };
    if !may {
        return Err(ApiError::denied(
            "which apps a patient has let in is hers to see and to end, in an app of her own",
        ));
    }
    if head.version.deleted {
        return Err(ApiError::Gone);
    }
    Ok(())
}

fn answered(app: Connected) -> Answered {
    let time = |seconds: i64| Content::Instant(instant(seconds.saturating_mul(1000)));
    let mut parts = vec![
        parameter("client", Content::String(app.client)),
        parameter("since", time(app.since_s)),
        parameter("until", time(app.until_s)),
    ];
    if app.used_s != 0 {
        parts.push(parameter("lastUsed", time(app.used_s)));
    }
    parts.push(parameter("scope", Content::String(app.scope)));
    let consents = app.consents.into_iter().map(|id| Content::Reference(Link::To(format!("{CONSENT}/{id}"))));
    parts.extend(consents.map(|consent| parameter("consent", consent)));
    parameter("app", Content::Parts(parts))
}
