//! One Consent: what its rules permit and deny to the caller, as predicates over the data.
//!
//! The tree of provisions is walked from the root. A provision applies where it and everything above it applies; the
//! deepest one that applies decides; at one depth a denial goes before a permit (R4 "Consent", provision). What a
//! provision covers is known only in part when something in it is not understood: a permit then covers what is certain,
//! a denial what is possible.

use concord_fhir::predicate::Predicate;

use crate::decision::{Layer, Reason, Verdict};
use crate::facts::{Coding, ConsentFacts, Effect, LegalBasis, PatientFacts, Provision, Standing, Target};
use crate::identity::{Identity, Rank};
use crate::label::{self, Named};
use crate::plain;
use crate::provision_scope::{self, ProvisionContext, ProvisionScope};
use crate::purpose::{self, Purpose};
use crate::request::Action;
use crate::tri::Tri;

/// What is asked of a Consent.
pub(crate) struct Question<'a> {
    pub(crate) action: Action,
    pub(crate) purpose: Purpose,
    pub(crate) identity: &'a Identity<'a>,
    pub(crate) kind: Kind,
    /// Whether the caller is in the patient's care team, so that what is permitted to everybody is permitted to them.
    pub(crate) in_care_team: bool,
    pub(crate) patient: &'a PatientFacts,
    pub(crate) reading: ProvisionContext<'a>,
    /// Whether a Patient may be shown without the elements that its labels are about.
    pub(crate) in_part: bool,
    /// What the caller keeps access to whatever the Consents say.
    pub(crate) kept: Predicate,
    pub(crate) now: i64,
}

impl Question<'_> {
    /// The same about every type.
    pub(crate) fn of_every_type(&self) -> Question<'_> {
        let reading = ProvisionContext { only: None, ..self.reading };
        Question { reading, kept: self.kept.clone(), ..*self }
    }
}

/// Of whom it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A professional, to whom a role, a team or an organization may stand for the person.
    Professional,
    /// A carer or proxy.
    Related,
    /// An app of those who keep the record, besides its user.
    OwnApp,
    /// Somebody else's app, besides its user.
    OtherApp,
}

/// What one rule of a Consent says.
pub(crate) struct Ruling {
    pub(crate) rank: Rank,
    /// The data that it permits or denies, within the patient's record.
    pub(crate) scope: Predicate,
    pub(crate) permits: bool,
    /// Whether it denies what shows or speaks about its scope as well. A denial of everything does not, as what is excepted
    /// from it is named; nor one by labels, which are handed on themselves.
    pub(crate) reaches_further: bool,
    /// For an exception from a permit of some data: what is permitted, and what it is an exception for by itself. Of what is
    /// permitted it denies what shows or speaks about that, be that among what is permitted or not.
    pub(crate) exception: Option<(Predicate, Predicate)>,
    /// The data that it is about, where that is more than its scope, because it is not understood.
    pub(crate) about: Option<Predicate>,
    /// Whether it names breaking the glass.
    pub(crate) names_break_glass: bool,
    pub(crate) reason: Reason,
}

/// What applies of the provisions above one, itself included.
#[derive(Clone)]
struct Path {
    applies: Tri,
    scope: ProvisionScope,
    /// The data that may be meant by the deepest that is no denial, and by the denials below that.
    within: Predicate,
    denied: Predicate,
    permit_rank: Rank,
    deny_rank: Rank,
    /// The labels that its permits name.
    named: Named,
    /// Whether something on the way names what the caller wants to do, and what for.
    names_action: bool,
    names_purpose: bool,
    /// Whether something on the way names breaking the glass.
    names_break_glass: bool,
    /// Whether something on the way names what kind of data it is about, besides its labels.
    names_data: bool,
}

/// One provision that may apply.
struct Node<'a> {
    provision: &'a Provision,
    depth: usize,
    path: Path,
    /// The data that it permits for certain; nothing for a denial.
    permits: Predicate,
    /// The data that it may deny; nothing for a permit.
    denies: Predicate,
}

/// What the rules of one Consent say to the question. Empty when the Consent does not apply.
pub(crate) fn rulings(consent: &ConsentFacts, question: &Question<'_>) -> Vec<Ruling> {
    if consent.is_over(question.now) {
        return Vec::new();
    }
    let patient_is_certain = match is_about(consent, question.patient) {
        Tri::No => return Vec::new(),
        Tri::Maybe => false,
        Tri::Yes => true,
    };
    let doubt = match &consent.standing {
        Standing::Apart => return Vec::new(),
        Standing::Unreadable(why) => return vec![denies_everything(consent, why)],
        Standing::OnlyDenies(why) => Some(why.as_str()),
        Standing::Counts if !patient_is_certain => Some("it does not say for certain whose it is"),
        Standing::Counts => None,
    };
    if consent.from.is_some_and(|from| from > question.now) {
        return Vec::new();
    }
    let top = Path {
        applies: Tri::Yes,
        scope: ProvisionScope::everything(),
        within: Predicate::All,
        denied: Predicate::All,
        permit_rank: Rank::Everybody,
        deny_rank: Rank::Everybody,
        named: Named::default(),
        names_action: false,
        names_purpose: false,
        names_break_glass: false,
        names_data: false,
    };
    let mut nodes = Vec::new();
    collect(&consent.root, 0, &top, question, consent, doubt.is_some(), &mut nodes);
    let depths = Depths::of(&nodes);
    nodes.iter().flat_map(|node| decided(node, &depths, question, consent, doubt)).collect()
}

/// Whether the Consent is the patient's. One that names her by an identifier is, if she bears it; it is not, if she bears
/// another one of that system.
fn is_about(consent: &ConsentFacts, patient: &PatientFacts) -> Tri {
    match &consent.patient {
        Some(Target::Local(local)) => Tri::from(local.split_once('/') == Some(("Patient", &patient.patient))),
        Some(Target::Identified { system, value, .. }) => {
            let mut same = patient.identifiers.iter().filter(|(own, _)| own == system).peekable();
            match same.peek() {
                None => Tri::Maybe,
                Some(_) => Tri::from(same.any(|(_, number)| number == value)),
            }
        }
        Some(Target::WithoutSystem(_) | Target::Elsewhere(_) | Target::Unreadable) | None => Tri::Maybe,
    }
}

/// Whether the Consent is in force for certain: understood, the patient's, given, and in its period.
pub(crate) fn is_in_force(consent: &ConsentFacts, question: &Question<'_>) -> bool {
    consent.standing == Standing::Counts
        && is_about(consent, question.patient) == Tri::Yes
        && consent.from.is_none_or(|from| from <= question.now)
        && consent.root.period.holds(question.now) == Tri::Yes
}

/// Adds the provision and those inside it, as far as they may apply.
fn collect<'a>(
    provision: &'a Provision,
    depth: usize,
    above: &Path,
    question: &Question<'_>,
    consent: &ConsentFacts,
    in_doubt: bool,
    nodes: &mut Vec<Node<'a>>,
) {
    let path = extend(provision, above, question);
    if path.applies == Tri::No || path.scope.most == Predicate::None {
        return;
    }
    let (mut permits, mut denies) = (Predicate::None, Predicate::None);
    match provision.effect {
        Effect::Permit if !in_doubt && may_permit(&path, question, consent.basis) => {
            permits = permitted(&path, question, consent.basis);
        }
        Effect::Deny => denies = path.scope.most.clone(),
        Effect::Permit | Effect::Silent => {}
    }
    for inner in &provision.provisions {
        collect(inner, depth + 1, &path, question, consent, in_doubt, nodes);
    }
    nodes.push(Node { provision, depth, path, permits, denies });
}

/// What applies of a provision below a path.
fn extend(provision: &Provision, above: &Path, question: &Question<'_>) -> Path {
    let mut path = above.clone();
    let (actor, permit_rank, deny_rank) = actor(provision, question);
    let action = action(&provision.actions, question.action);
    let purpose = purpose(provision, question.purpose);
    path.applies = above.applies.min(provision.period.holds(question.now)).min(actor).min(action).min(purpose);
    if provision.unevaluable.is_some() {
        path.applies = path.applies.min(Tri::Maybe);
    }
    if path.applies == Tri::No {
        return path;
    }
    let data = provision_scope::data(provision, &question.reading);
    path.denied = if provision.effect == Effect::Deny { path.denied.and(data.most.clone()) } else { Predicate::All };
    path.scope = path.scope.and(data);
    if provision.effect != Effect::Deny {
        path.within = path.scope.most.clone();
    }
    path.permit_rank = path.permit_rank.max(permit_rank);
    path.deny_rank = path.deny_rank.max(deny_rank);
    if provision.effect == Effect::Permit {
        path.named = path.named.with(&provision.labels);
    }
    path.names_action |= !provision.actions.is_empty();
    path.names_purpose |= !provision.purposes.is_empty();
    path.names_break_glass |= provision
        .purposes
        .iter()
        .any(|coding| coding.system == purpose::SYSTEM && coding.code.as_deref() == Some(Purpose::BREAK_GLASS.code()));
    path.names_data |= !provision.classes.is_empty() || !provision.codes.is_empty() || !provision.data.is_empty();
    path
}

/// Whether the caller is one of those whom the provision names; if it names any, how specifically a permit and a denial
/// may be taken to name them.
fn actor(provision: &Provision, question: &Question<'_>) -> (Tri, Rank, Rank) {
    if provision.actors.is_empty() {
        return (Tri::Yes, Rank::Everybody, Rank::Everybody);
    }
    let mut answer = (Tri::No, Rank::Everybody, Rank::Everybody);
    for target in &provision.actors {
        let (named, rank) = question.identity.is_actor(target, question.patient, question.now);
        answer.0 = answer.0.max(named);
        if named == Tri::Yes {
            answer.1 = answer.1.max(rank);
        }
        if named != Tri::No {
            answer.2 = answer.2.max(rank);
        }
    }
    answer
}

/// Whether one of the actions is the one asked for. `use` is no permit to read, but who may not use may not read.
fn action(actions: &[Coding], wanted: Action) -> Tri {
    let wanted = match wanted {
        Action::Read | Action::Search | Action::History | Action::TypeHistory => "access",
        Action::Create => "collect",
        Action::Update | Action::Delete => "correct",
    };
    let matches = |coding: &Coding| match coding.code.as_deref() {
        Some(code) if code == wanted => Tri::Yes,
        Some("use") if wanted == "access" => Tri::Maybe,
        Some("collect" | "access" | "use" | "disclose" | "correct") => Tri::No,
        _ => Tri::Maybe,
    };
    if actions.is_empty() { Tri::Yes } else { actions.iter().map(matches).max().unwrap_or(Tri::Maybe) }
}

/// Whether one of the purposes covers the one that the caller has. A permit never covers breaking the glass unless it
/// names it; a denial of what that is a kind of does.
fn purpose(provision: &Provision, wanted: Purpose) -> Tri {
    let matches = |coding: &Coding| {
        let known = coding.code.as_deref().and_then(Purpose::parse);
        match known.filter(|_| coding.system == purpose::SYSTEM) {
            Some(named) if named.covers(wanted) => Tri::Yes,
            Some(named) if named.is_at_or_above(wanted) && provision.effect == Effect::Deny => Tri::Yes,
            Some(_) => Tri::No,
            None => Tri::Maybe,
        }
    };
    if provision.purposes.is_empty() {
        return Tri::Yes;
    }
    provision.purposes.iter().map(matches).max().unwrap_or(Tri::Maybe)
}

/// Whether a permit on this path may count for the caller. It has to name them: in person, or a professional by role,
/// team or organization; what is permitted to everybody counts for the care team. Without a purpose it is for direct
/// care and for what the patient asks. A carer writes only where writing is named; a proxy whom the law lets act for the
/// patient may write for her.
fn may_permit(path: &Path, question: &Question<'_>, basis: Option<LegalBasis>) -> bool {
    let named = match path.permit_rank {
        Rank::Person => true,
        Rank::Role | Rank::Organization => question.kind == Kind::Professional,
        Rank::Everybody => question.in_care_team,
    };
    let purpose = path.names_purpose
        || question.purpose.is_direct_care()
        || Purpose::PATIENT_REQUEST.is_at_or_above(question.purpose);
    let action = question.kind != Kind::Related || !question.action.writes() || path.names_action || basis.is_some();
    path.applies == Tri::Yes && named && purpose && action
}

/// The data that a permit covers for certain: none with a sensitive label that it does not name, and for a carer or an
/// app nothing that was never classified unless its kind is named. What is about to be created is labelled by who writes
/// it, and needs no permit to see it.
fn permitted(path: &Path, question: &Question<'_>, basis: Option<LegalBasis>) -> Predicate {
    if question.action == Action::Create {
        return path.scope.least.clone();
    }
    let named = if question.in_part { path.named.covers_in_part() } else { path.named.covers() };
    let scope = path.scope.least.clone().and(named);
    if question.kind == Kind::Professional || path.names_data || basis.is_some() {
        return scope;
    }
    scope.and(plain::classified_or_plain(&question.patient.patient, question.reading.only))
}

/// What a provision says, once the deeper ones have spoken.
fn decided(
    node: &Node<'_>,
    depths: &Depths,
    question: &Question<'_>,
    consent: &ConsentFacts,
    doubt: Option<&str>,
) -> Vec<Ruling> {
    let ruling = |rank, scope| ruling(node, rank, scope, question, consent, doubt);
    let mut rulings = Vec::new();
    if node.denies != Predicate::None {
        let apart = Depths::left_out(depths.permitted_below.get(node.depth));
        let of = &node.path.denied;
        let is_exception = node.path.within != Predicate::All && is_told(of, of);
        let exception = is_exception.then(|| (node.path.within.clone(), of.clone().and(apart.clone())));
        let denial = ruling(node.path.deny_rank, node.denies.clone().and(apart));
        let reaches_further = is_told(&node.denies, &denial.scope);
        rulings.push(Ruling { reaches_further, exception, ..denial });
    }
    if node.permits != Predicate::None {
        let scope = node.permits.clone().and(Depths::left_out(depths.denied_from.get(node.depth)));
        // Where a deeper permit that names the caller less specifically applies, that one decides.
        let rank = node.path.permit_rank;
        let weaker = depths.permitted_to_weaker.get(node.depth).and_then(|ranks| ranks.get(rank as usize));
        rulings.push(ruling(rank, scope.and(Depths::left_out(weaker))));
    }
    rulings.retain(|ruling| ruling.scope != Predicate::None);
    // A permit that may name the caller and does not count for want of understanding: worth a reason.
    let lost = node.provision.effect == Effect::Permit && node.permits == Predicate::None;
    let unclear = doubt.is_some()
        || node.path.applies != Tri::Yes
        || provision_scope::is_vague(node.provision, &question.reading);
    if lost && unclear && node.path.deny_rank > Rank::Everybody {
        let about = Some(node.path.scope.most.clone());
        rulings.push(Ruling { about, ..ruling(node.path.permit_rank, Predicate::None) });
    }
    rulings
}

/// Whether what a denial names is data, and what it covers is not told by labels alone, which what shows or speaks about the
/// data has too.
fn is_told(named: &Predicate, scope: &Predicate) -> bool {
    *named != Predicate::All && !label::is_handed_on(scope)
}

/// What the provisions of a Consent say together at each depth: it is the same for all provisions at that depth, of which
/// there may be hundreds.
struct Depths {
    /// What is permitted below, so that a denial does not stand against it.
    permitted_below: Vec<Predicate>,
    /// What is denied there or below.
    denied_from: Vec<Predicate>,
    /// What is permitted below to those who are named less closely than by a rank.
    permitted_to_weaker: Vec<[Predicate; Rank::ALL.len()]>,
}

impl Depths {
    fn of(nodes: &[Node<'_>]) -> Depths {
        let all = |wanted: &dyn Fn(&Node<'_>) -> bool, of: for<'n, 'p> fn(&'n Node<'p>) -> &'n Predicate| {
            Predicate::any(nodes.iter().filter(|node| wanted(node)).map(|node| of(node).clone()).collect())
        };
        let deepest = nodes.iter().map(|node| node.depth).max().unwrap_or(0);
        let depths = || 0..=deepest;
        Depths {
            permitted_below: depths().map(|depth| all(&|node| node.depth > depth, |node| &node.permits)).collect(),
            denied_from: depths().map(|depth| all(&|node| node.depth >= depth, |node| &node.denies)).collect(),
            permitted_to_weaker: depths()
                .map(|depth| {
                    Rank::ALL.map(|rank| {
                        let weaker = |node: &Node<'_>| node.depth > depth && node.path.permit_rank < rank;
                        all(&weaker, |node| &node.permits)
                    })
                })
                .collect(),
        }
    }

    fn left_out(all: Option<&Predicate>) -> Predicate {
        all.map_or(Predicate::All, |all| all.clone().negate())
    }
}

fn ruling(
    node: &Node<'_>,
    rank: Rank,
    scope: Predicate,
    question: &Question<'_>,
    consent: &ConsentFacts,
    doubt: Option<&str>,
) -> Ruling {
    let permits = node.provision.effect == Effect::Permit;
    let whom = match (rank, question.kind) {
        (Rank::Everybody, _) => "everybody",
        (Rank::Organization, _) => "the organisation that this person works for",
        (Rank::Role, _) => "the role or team that this person is in",
        (Rank::Person, Kind::OwnApp | Kind::OtherApp) => "this app",
        (Rank::Person, _) => "this person",
    };
    let unclear = doubt.or(node.provision.unevaluable.as_deref());
    let vague = node.path.applies != Tri::Yes || provision_scope::is_vague(node.provision, &question.reading);
    let mut layer = Layer::Consent;
    let (verdict, rule, text) = match (permits, unclear) {
        (true, _) if scope == Predicate::None => {
            let why = unclear.unwrap_or("it is not sure that all it asks for is met");
            let text =
                format!("the patient shares something here, but it cannot be understood and so does not count: {why}");
            (Verdict::Unevaluable, "consent.unevaluable", text)
        }
        (true, _) => match consent.basis.filter(|_| question.kind == Kind::Related) {
            Some(basis) => {
                layer = Layer::Proxy;
                (Verdict::Permits, "proxy.legal-basis", format!("this person may see and do this as {}", basis.words()))
            }
            None => (Verdict::Permits, "consent.permit", format!("the patient shares this with {whom}")),
        },
        (false, Some(why)) => {
            let text = format!("a sharing choice of the patient cannot be understood, so it is taken as a no: {why}");
            (Verdict::Unevaluable, "consent.unevaluable", text)
        }
        (false, None) if vague => {
            let text = "the patient said no to something here, and as it cannot be told exactly to what, the no is \
                        taken at its widest";
            (Verdict::Unevaluable, "consent.unevaluable", text.to_owned())
        }
        (false, None) => (Verdict::Denies, "consent.deny", format!("the patient does not share this with {whom}")),
    };
    let reason = Reason {
        consent: Some(consent.name.clone()),
        provision: Some(node.provision.path.clone()),
        ..Reason::new(layer, verdict, rule, text)
    };
    let names_break_glass = node.path.names_break_glass;
    Ruling { rank, scope, permits, reaches_further: false, exception: None, about: None, names_break_glass, reason }
}

fn denies_everything(consent: &ConsentFacts, why: &str) -> Ruling {
    let text = format!("a sharing choice of the patient cannot be understood, so it is taken as a no: {why}");
    let reason = Reason {
        consent: Some(consent.name.clone()),
        ..Reason::new(Layer::Consent, Verdict::Unevaluable, "consent.unevaluable", text)
    };
    let scope = Predicate::All;
    let rank = Rank::Person;
    let (permits, reaches_further, names_break_glass) = (false, false, false);
    Ruling { rank, scope, permits, reaches_further, exception: None, about: None, names_break_glass, reason }
}
