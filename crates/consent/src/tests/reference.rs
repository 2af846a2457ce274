//! A second decider, as plain as can be: it looks at one item and one rule after the other, in their JSON, and knows no
//! predicates. What it says is compared with the decision on random Consents.
//!
//! It follows docs/CONSENT.md: a rule may apply for certain, perhaps, or not. A permit counts where it applies for
//! certain, a denial where it applies perhaps. Within a Consent the deepest rule decides, and at one depth a denial. Of
//! several Consents the one that names the caller most closely decides, and at one closeness a denial.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use concord_fhir::json::{self, Limits, Value};
use concord_fhir::registry::ResourceType;
use concord_fhir::rules;
use proptest::prelude::*;

use super::properties::{Asked, Rule, all, asked, permitted, rules as random_rules};
use crate::request::Action;

static ITEMS: LazyLock<BTreeMap<String, Value<'static>>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/consent/record.json");
    let record = json::parse(&std::fs::read(path).unwrap(), &Limits::default()).unwrap().into_owned();
    record.as_object().unwrap().0.iter().map(|(name, item)| (name.to_string(), item.clone())).collect()
});

/// Whether something is so: no, perhaps, yes. `min` is "and", `max` is "or".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum So {
    No,
    Perhaps,
    Yes,
}

use So::{No, Perhaps, Yes};

fn so(yes: bool) -> So {
    if yes { Yes } else { No }
}

/// How closely a rule names the caller: 0 everybody, 1 organization, 2 role or team, 3 person.
type Closeness = u8;

/// One item, as its JSON tells.
struct Item<'a> {
    resource: &'a Value<'static>,
    kind: &'a str,
    patients: Vec<String>,
    author: String,
}

impl<'a> Item<'a> {
    fn of(item: &'a Value<'static>) -> Item<'a> {
        let resource = item.get("resource").unwrap();
        let kind = resource.text("resourceType").unwrap();
        let mut patients: Vec<String> = item.list("partOf").iter().map(|one| one.as_str().unwrap().into()).collect();
        if kind == "Patient" {
            patients.push(resource.text("id").unwrap().into());
        }
        let actors = resource.list("participant").iter().filter_map(|one| one.get("actor"));
        for reference in ["subject", "patient", "for"].iter().filter_map(|name| resource.get(name)).chain(actors) {
            if let Some(id) = reference.text("reference").and_then(|text| text.strip_prefix("Patient/")) {
                patients.push(id.into());
            }
        }
        let author = super::cases::author(item, ResourceType::parse(kind).unwrap(), resource);
        Item { resource, kind, patients, author }
    }

    fn labels(&self) -> Vec<&str> {
        let meta = self.resource.get("meta");
        meta.map_or(&[][..], |meta| meta.list("security")).iter().filter_map(|label| label.text("code")).collect()
    }

    fn written_by(&self, names: &[&str]) -> bool {
        names.contains(&self.author.as_str())
    }

    fn is_for_authors(&self) -> bool {
        self.labels().iter().any(|label| ["AUTHOR-TEAM", "THIRD-PARTY", "SAFEGUARDING"].contains(label))
    }

    fn has_code(&self, code: &str) -> So {
        // The types of the record whose codes are looked at; whether another has a code cannot be told.
        let coded = match self.kind {
            "Observation" | "Condition" => "code",
            "MedicationStatement" => "medicationCodeableConcept",
            "DocumentReference" | "Encounter" | "Immunization" | "Patient" => return No,
            _ => return Perhaps,
        };
        let codings = self.resource.get(coded).map_or(&[][..], |concept| concept.list("coding"));
        so(codings.iter().any(|coding| coding.text("code") == Some(code)))
    }

    /// Whether its time may be before the end of that year.
    fn is_from_before_end_of(&self, year: &str) -> So {
        let time = ["effectiveDateTime", "occurrenceDateTime"].iter().find_map(|name| self.resource.text(name));
        match time {
            Some(date) => so(date.split('-').next().unwrap() <= year),
            // Whom the data is about is of no time.
            None if self.kind == "Patient" => No,
            None => Perhaps,
        }
    }
}

const LEVELS: [&str; 6] = ["U", "L", "M", "N", "R", "V"];

fn level_of(item: &Item<'_>) -> usize {
    let position =
        |label: &str| LEVELS.iter().position(|level| *level == label || (label, *level) == ("GENERAL_HEALTH", "N"));
    let levels = item.labels().into_iter().filter_map(position);
    levels.max().unwrap_or(3)
}

/// A sensitivity and those above it, as far as the record has any.
fn and_above(label: &str) -> &'static [&'static str] {
    match label {
        "MH" | "MENTAL_HEALTH" => &["MH", "SPI"],
        "ETHUD" => &["ETHUD", "SUD", "SPI"],
        "SUD" => &["SUD", "SPI"],
        "SPI" => &["SPI"],
        "HIV" => &["HIV"],
        "SEX" => &["SEX"],
        "DOB" => &["DOB"],
        "SOCIAL_CARE" => &["SOCIAL_CARE"],
        _ => &[],
    }
}

/// What a rule's label covers: for certain, and perhaps.
fn covered_by(label: &str, effect: &str, item: &Item<'_>) -> So {
    let labels = item.labels();
    let (as_permit, as_denial) = match LEVELS.iter().position(|level| *level == label) {
        // Low data is what says that it is low; what says nothing is normal.
        Some(level) if level < 3 => {
            (level_of(item) <= level && labels.iter().any(|label| LEVELS.contains(label)), true)
        }
        Some(level) => (level_of(item) <= level, level <= 3 || level_of(item) >= level),
        None if and_above(label).is_empty() => (false, true),
        None => (
            labels.iter().any(|own| and_above(own).contains(&label)),
            labels.iter().any(|own| and_above(own).contains(&label) || and_above(label).contains(own)),
        ),
    };
    match effect {
        "permit" if as_permit => Yes,
        "deny" if as_permit && as_denial => Yes,
        "permit" if as_denial => Perhaps,
        "deny" if as_denial => Perhaps,
        "silent" if as_permit && as_denial => Yes,
        "silent" if as_permit || as_denial => Perhaps,
        _ => No,
    }
}

/// Who asks.
struct Who {
    professional: bool,
    in_team: bool,
}

impl Who {
    /// Whether an actor is the caller, and how closely that names them.
    fn is(&self, actor: &str) -> (So, Closeness) {
        match (actor, self.professional) {
            ("Practitioner/gp", true) => (Yes, 3),
            ("PractitionerRole/gp-r", true) => (Yes, 2),
            ("Organization/surgery", true) => (Yes, 1),
            ("CareTeam/team", professional) => (so(professional && self.in_team), 2),
            ("RelatedPerson/c1", false) => (Yes, 3),
            ("Group/some", _) => (Perhaps, 3),
            ("https://other.example/fhir/Practitioner/gp", true) => (Perhaps, 3),
            _ => (No, 3),
        }
    }
}

fn purposes_at_or_above(purpose: &str) -> &'static [&'static str] {
    match purpose {
        "TREAT" => &["TREAT"],
        "ETREAT" => &["ETREAT", "TREAT"],
        "ERTREAT" => &["ERTREAT", "ETREAT", "TREAT"],
        "BTG" => &["BTG", "ETREAT", "TREAT"],
        "HRESCH" => &["HRESCH"],
        "FAMRQT" => &["FAMRQT", "PATRQT"],
        _ => panic!("{purpose}"),
    }
}

/// What applies on the way to a rule.
#[derive(Clone)]
struct Way {
    so: So,
    permit: Closeness,
    denial: Closeness,
    named: Vec<&'static str>,
    names_action: bool,
    names_purpose: bool,
    names_data: bool,
}

/// A rule that applies.
struct Applies {
    depth: usize,
    permits: bool,
    closeness: Closeness,
}

struct Question<'a> {
    who: &'a Who,
    action: Action,
    purpose: &'a str,
    item: &'a Item<'a>,
}

fn look(rule: &Rule, depth: usize, above: &Way, question: &Question<'_>, found: &mut Vec<Applies>) {
    let Question { who, action, purpose, item } = question;
    let effect = match (rule.effect, depth, rule.actor) {
        (Some(effect), _, _) => effect,
        (None, 0, None) => "silent",
        (None, ..) => "deny",
    };
    let mut way = above.clone();
    let odd = rule.odd || (rule.effect.is_none() && depth > 0);
    way.so = way.so.min(if odd { Perhaps } else { Yes });
    if let Some(actor) = rule.actor {
        let (named, closeness) = who.is(actor);
        way.so = way.so.min(named);
        if named == Yes {
            way.permit = way.permit.max(closeness);
        }
        way.denial = way.denial.max(closeness);
    }
    if let Some(named) = rule.action {
        let wanted = match action {
            Action::Create => "collect",
            Action::Update | Action::Delete => "correct",
            _ => "access",
        };
        way.so = way.so.min(match named {
            "use" if wanted == "access" => Perhaps,
            named => so(named == wanted),
        });
        way.names_action = true;
    }
    if let Some(named) = rule.purpose {
        let covers = purposes_at_or_above(purpose).contains(&named) && (*purpose != "BTG" || effect == "deny");
        way.so = way.so.min(so(covers));
        way.names_purpose = true;
    }
    if let Some(class) = rule.class {
        way.so = way.so.min(so(item.kind == class));
        way.names_data = true;
    }
    if let Some(label) = rule.label {
        way.so = way.so.min(covered_by(label, effect, item));
        if effect == "permit" {
            way.named.push(label);
        }
    }
    if rule.code {
        way.so = way.so.min(item.has_code("44054006"));
        way.names_data = true;
    }
    if let Some(year) = rule.data_period {
        way.so = way.so.min(item.is_from_before_end_of(year));
    }
    if rule.instance {
        way.so = way.so.min(so(item.kind == "Observation" && item.resource.text("id") == Some("bp")));
        way.names_data = true;
    }
    if way.so == No {
        return;
    }
    match effect {
        "permit" if way.so == Yes && counts(&way, question) => {
            found.push(Applies { depth, permits: true, closeness: way.permit });
        }
        "deny" => found.push(Applies { depth, permits: false, closeness: way.denial }),
        _ => {}
    }
    for inner in &rule.nested {
        look(inner, depth + 1, &way, question, found);
    }
}

/// Whether a permit that applies counts for this caller and item.
fn counts(way: &Way, question: &Question<'_>) -> bool {
    let Question { who, action, purpose, item } = question;
    let names = match way.permit {
        3 => true,
        0 => who.professional && who.in_team,
        _ => who.professional,
    };
    let serves = ["TREAT", "ETREAT", "ERTREAT", "FAMRQT"].contains(purpose) || way.names_purpose;
    let writes = who.professional || !action.writes() || way.names_action;
    names
        && serves
        && writes
        && (*action == Action::Create || (all_named(way, item, *action) && (who.professional || plain(way, item))))
}

fn all_named(way: &Way, item: &Item<'_>, action: Action) -> bool {
    let reads = [Action::Read, Action::History, Action::TypeHistory].contains(&action);
    if reads && item.kind == "Patient" && !item.labels().contains(&"HIV") {
        // It is shown without what the label is about.
        return true;
    }
    let highest = way.named.iter().filter_map(|label| LEVELS.iter().position(|level| level == label)).max();
    level_of(item) <= highest.unwrap_or(3).max(3)
        && item
            .labels()
            .iter()
            .all(|label| and_above(label).is_empty() || and_above(label).iter().any(|above| way.named.contains(above)))
}

/// Whether a carer may see it without its kind being named: somebody classified it, or there is little in it.
fn plain(way: &Way, item: &Item<'_>) -> bool {
    way.names_data
        || ["Appointment", "CareTeam", "Goal", "Patient", "RelatedPerson"].contains(&item.kind)
        || item.written_by(&["Patient/p1"])
        || item.resource.text("id") == Some("pulse")
        || item
            .labels()
            .iter()
            .any(|label| LEVELS.contains(label) || *label == "GENERAL_HEALTH" || !and_above(label).is_empty())
}

/// What one Consent says of the item: nothing, or yes or no with how closely.
fn consent_says(root: &Rule, question: &Question<'_>) -> Vec<(Closeness, bool)> {
    let way = Way {
        so: Yes,
        permit: 0,
        denial: 0,
        named: Vec::new(),
        names_action: false,
        names_purpose: false,
        names_data: false,
    };
    let mut found = Vec::new();
    look(root, 0, &way, question, &mut found);
    let stands = |one: &&Applies| match one.permits {
        // An exception is overridden by an exception to it.
        false => !found.iter().any(|other| other.permits && other.depth > one.depth),
        true => !found.iter().any(|other| match other.permits {
            false => other.depth >= one.depth,
            // The deeper permit decides how closely, if it names less closely.
            true => other.depth > one.depth && other.closeness < one.closeness,
        }),
    };
    found.iter().filter(stands).map(|one| (one.closeness, one.permits)).collect()
}

fn combined(implied: bool, consents: &[Rule], question: &Question<'_>) -> bool {
    let said: Vec<_> = consents.iter().flat_map(|root| consent_says(root, question)).collect();
    let Some(closest) = said.iter().map(|(closeness, _)| *closeness).max() else { return implied };
    said.iter().filter(|(closeness, _)| *closeness == closest).all(|(_, permits)| *permits)
}

fn is_shared(kind: &str) -> bool {
    ["Organization", "Questionnaire"].contains(&kind)
}

/// Whether this caller may do this to the item: in the record of one patient.
fn in_record(asked: &Asked, consents: &[Rule], item: &Item<'_>, patient: &str) -> bool {
    let professional = asked.actor != "RelatedPerson/c1";
    let who = Who { professional, in_team: asked.in_team && patient == "p1" };
    let purpose = match asked.purpose {
        Some("BTG") if professional && asked.action.writes() => "ETREAT",
        Some(purpose) => purpose,
        None if professional => "TREAT",
        None => "FAMRQT",
    };
    let consents = if patient == "p1" { consents } else { &[] };
    let question = Question { who: &who, action: asked.action, purpose, item };
    let writes = asked.action.writes();
    if !professional {
        let related = patient == "p1";
        let hidden = item.is_for_authors() || item.labels().contains(&"NOPAT");
        let types = if writes {
            rules::types_for_related_persons().any(|one| one.name() == item.kind)
        } else {
            !["AuditEvent", "Consent", "Provenance"].contains(&item.kind)
        };
        return related && !hidden && types && combined(false, consents, &question);
    }
    let authored = item.written_by(&["Practitioner/gp", "PractitionerRole/gp-r", "Organization/surgery"]);
    let direct = ["TREAT", "ETREAT", "ERTREAT"].contains(&purpose);
    let nothing_named = Way {
        so: Yes,
        permit: 0,
        denial: 0,
        named: vec![],
        names_action: false,
        names_purpose: false,
        names_data: false,
    };
    let implied = who.in_team
        && direct
        && (asked.action == Action::Create || authored || all_named(&nothing_named, item, asked.action));
    let kept = authored && !writes && (direct || purpose == "BTG");
    let types = match item.kind {
        "AuditEvent" => false,
        "CareTeam" | "Patient" | "Provenance" => !writes,
        "Consent" => !writes || ["draft", "proposed"].contains(&item.resource.text("status").unwrap()),
        _ => true,
    };
    let for_team = asked.action == Action::Create || !item.is_for_authors() || authored;
    types && for_team && (kept || combined(implied, consents, &question))
}

fn may(asked: &Asked, consents: &[Rule], name: &str, item: &Item<'_>) -> bool {
    let writes = asked.action.writes();
    if !writes && is_shared(item.kind) {
        return true;
    }
    if !writes && name == "carer" && asked.actor == "RelatedPerson/c1" {
        return true;
    }
    let mut each = item.patients.iter().map(|patient| in_record(asked, consents, item, patient));
    match writes {
        true => !item.patients.is_empty() && each.all(|may| may),
        false => each.any(|may| may),
    }
}

proptest! {
    #![proptest_config(super::properties::config(1000))]

    #[test]
    fn both_deciders_agree(asked in asked(), rules in random_rules()) {
        let decided = permitted(&asked, &all(&rules));
        for (name, item) in ITEMS.iter() {
            let plainly = may(&asked, &rules, name, &Item::of(item));
            prop_assert_eq!(decided.contains(&name.as_str()), plainly, "{} by {:?}", name, asked);
        }
    }
}
