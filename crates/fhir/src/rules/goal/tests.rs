use super::super::prepare::tests::{by, json, patient, places, professional, system, unregistered};
use super::super::{Previous, Writer, prepare};
use super::*;
use crate::registry::ResourceType;
use crate::schema::r4;

fn goal(status: &str, rest: &str) -> String {
    format!(
        r#"{{"resourceType":"Goal","lifecycleStatus":"{status}","subject":{{"reference":"Patient/p1"}},
        "description":{{"text":"walk to the shop"}}{rest}}}"#
    )
}

fn word(who: &str, status: &str) -> String {
    format!(
        r#"{{"url":"http://hl7.org/fhir/StructureDefinition/goal-acceptance","extension":[
        {{"url":"individual","valueReference":{{"reference":"{who}"}}}},{{"url":"status","valueCode":"{status}"}}]}}"#
    )
}

fn accepted_by(who: &str, status: &str) -> String {
    format!(r#","extension":[{}]"#, word(who, status))
}

fn negotiated(patient: &str, gp: &str) -> String {
    let words = [word("Patient/p1", patient), word("Practitioner/gp", gp)].join(",");
    goal("active", &format!(r#","expressedBy":{{"reference":"Patient/p1"}},"extension":[{words}]"#))
}

/// Where a revision is wrong, or the words that it leaves.
fn revised(old: &str, new: &str, writer: &Writer, own: bool) -> Result<Vec<String>, Vec<String>> {
    let (old, mut new) = (json(old), json(new));
    let previous = Previous { value: &old, own };
    let resource_type = ResourceType::parse("Goal").unwrap();
    let context = WriteContext { previous: Some(&previous), ..by(writer) };
    prepare(resource_type, &mut new, &context)
        .map(|_| acceptances(&new, "").into_iter().map(|word| word.status).collect())
        .map_err(|issues| issues.into_iter().map(|issue| issue.expression.unwrap_or_default()).collect())
}

#[test]
fn a_detail_needs_a_measure() {
    let target = r#","target":[{"dueDate":"2026-05-01"},{"detailString":"daily"}]"#;
    for writer in [patient(), professional(), system()] {
        assert_eq!(places(&goal("active", target), &writer), Err(vec!["Goal.target[1].measure".to_owned()]));
    }
    let target = r#","target":[{"measure":{"text":"steps"},"detailInteger":5000}]"#;
    assert_eq!(places(&goal("active", target), &patient()), Ok(vec![]));
}

#[test]
fn only_the_patient_accepts() {
    assert_eq!(places(&goal("accepted", ""), &patient()), Ok(vec![]));
    assert_eq!(places(&goal("accepted", ""), &professional()), Err(vec!["Goal.lifecycleStatus".to_owned()]));
    assert_eq!(places(&goal("accepted", ""), &system()), Ok(vec![]));
    let note = r#","note":[{"text":"good","authorReference":{"reference":"Practitioner/gp"}}]"#;
    assert_eq!(revised(&goal("accepted", ""), &goal("accepted", note), &professional(), false), Ok(vec![]));
}

/// A registered system hands in what was agreed elsewhere; one that nobody has registered has no word for anybody.
#[test]
fn who_speaks_for_itself_only_agrees_for_nobody() {
    let agreed = negotiated("agree", "agree");
    assert_eq!(places(&agreed, &system()), Ok(vec![]));
    let both = ["Goal.extension[0]", "Goal.extension[1]"].map(str::to_owned);
    for word in ["agree", "disagree"] {
        assert_eq!(places(&negotiated(word, word), &unregistered()), Err(both.to_vec()), "{word}");
    }
    assert_eq!(places(&negotiated("pending", "pending"), &unregistered()), Ok(vec![]));
    assert_eq!(places(&goal("accepted", ""), &unregistered()), Err(vec!["Goal.lifecycleStatus".to_owned()]));
    // In what it wrote itself the words of others stay, and wait again where what they are about changes.
    let waiting = negotiated("pending", "pending");
    let found = revised(&waiting, &agreed, &unregistered(), true);
    assert_eq!(found, Err(both.to_vec()));
    assert!(revised(&agreed, &goal("active", ""), &unregistered(), true).is_err());
    let other = agreed.replace("walk to the shop", "give up the car");
    let words = ["pending", "pending"].map(str::to_owned);
    assert_eq!(revised(&agreed, &other, &unregistered(), true), Ok(words.to_vec()));
}

#[test]
fn everybody_accepts_for_themselves() {
    let wrong = Err(vec!["Goal.extension[0]".to_owned()]);
    for (who, status, writer, wanted) in [
        ("Patient/p1", "agree", patient(), Ok(vec![])),
        ("Practitioner/gp", "agree", patient(), wrong.clone()),
        ("Practitioner/gp", "pending", patient(), Ok(vec![])),
        ("Patient/p1", "disagree", professional(), wrong),
        ("Practitioner/gp", "agree", professional(), Ok(vec![])),
        ("Patient/p1", "agree", system(), Ok(vec![])),
    ] {
        assert_eq!(places(&goal("active", &accepted_by(who, status)), &writer), wanted, "{who} {status}");
    }
}

#[test]
fn a_revision_changes_the_writers_own_word_only() {
    let ok = |words: [&str; 2]| Ok(words.map(str::to_owned).to_vec());
    let old = negotiated("agree", "pending");
    assert_eq!(revised(&old, &negotiated("agree", "agree"), &professional(), false), ok(["agree", "agree"]));
    assert_eq!(revised(&old, &negotiated("disagree", "pending"), &patient(), true), ok(["disagree", "pending"]));
    assert_eq!(
        revised(&old, &negotiated("disagree", "agree"), &professional(), false),
        Err(vec!["Goal.extension[0]".to_owned()])
    );
    assert_eq!(
        revised(&old, &negotiated("agree", "agree"), &patient(), true),
        Err(vec!["Goal.extension[1]".to_owned()])
    );
    let without = goal("active", r#","expressedBy":{"reference":"Patient/p1"}"#);
    assert_eq!(revised(&old, &without, &professional(), false), Err(vec!["Goal.extension".to_owned()]));
    let twice = negotiated("agree", "pending").replace("Practitioner/gp", "Patient/p1");
    assert_eq!(revised(&old, &twice, &patient(), true).unwrap_err().len(), 2);
}

/// Nobody says for others how important a goal is to them, or anything that a reader might take for a yes; and whose a word is its
/// reference says alone. So it is from the first version on.
#[test]
fn a_word_for_another_only_waits_and_a_word_names_by_reference_alone() {
    let words = |entries: &str| goal("active", &format!(r#","extension":[{entries}]"#));
    let entry = |who: &str, rest: &str| {
        format!(r#"{{"url":"{ACCEPTANCE}","extension":[{{"url":"individual","valueReference":{{{who}}}}}{rest}]}}"#)
    };
    let (me, her, someone) =
        (r#""reference":"Practitioner/gp""#, r#""reference":"Patient/p1""#, r#""display":"the stroke service""#);
    let pending = r#",{"url":"status","valueCode":"pending"}"#;
    let important = r#",{"url":"priority","valueCodeableConcept":{"text":"little"}}"#;
    let prioritised = format!("{pending}{important}");
    let marked =
        r#",{"url":"status","valueCode":"pending","_valueCode":{"extension":[{"url":"urn:x","valueString":"agree"}]}}"#;
    let old = words("");
    for (who, says, stands) in [
        (her, pending, true),
        (her, "", true),
        (someone, pending, true),
        (me, &prioritised, true),
        (her, &prioritised, false),
        (someone, &prioritised, false),
        (her, r#",{"url":"status","valueString":"agree"}"#, false),
        (me, r#",{"url":"status","valueString":"agree"}"#, false),
        (her, marked, false),
        (me, marked, false),
        (her, r#",{"url":"urn:x","valueString":"agree"}"#, false),
    ] {
        let proposed = words(&entry(who, says));
        let created = places(&proposed, &professional());
        let wanted = if stands { Ok(vec![]) } else { Err(vec!["Goal.extension[0]".to_owned()]) };
        assert_eq!(created, wanted, "{proposed}");
        for own in [true, false] {
            assert_eq!(revised(&old, &proposed, &professional(), own).is_ok(), stands, "{own} {proposed}");
        }
    }
    // What else it is called is left out where it was not so already, with which it is the same to send it.
    let gp = professional();
    let written = |previous: Option<&str>, proposed: &str| {
        let (previous, mut goal) = (previous.map(json), json(proposed));
        let previous = previous.as_ref().map(|value| Previous { value, own: false });
        let context = WriteContext { previous: previous.as_ref(), ..by(&gp) };
        prepare(ResourceType::parse("Goal").unwrap(), &mut goal, &context).map(|_| goal).unwrap()
    };
    let named = |who: &str| words(&entry(&format!(r#"{who},"display":"Amina","identifier":{{"value":"1"}}"#), pending));
    for who in [me, her] {
        let bare = json(&words(&entry(who, pending)));
        for previous in [None, Some(old.as_str()), Some(&words(&entry(who, pending)))] {
            let stored = written(previous, &named(who));
            assert!(is_same(stored.get("extension"), bare.get("extension")), "{previous:?}");
        }
        let stood = named(who);
        assert!(is_same(written(Some(&stood), &stood).get("extension"), json(&stood).get("extension")));
    }
    let elsewhere = words(&entry(someone, pending));
    assert!(is_same(written(None, &elsewhere).get("extension"), json(&elsewhere).get("extension")));
}

#[test]
fn a_change_of_terms_asks_the_others_again() {
    let agreed = negotiated("agree", "agree");
    let further = agreed.replace("walk to the shop", "walk to the park");
    assert_eq!(revised(&agreed, &further, &professional(), false), Ok(vec!["pending".into(), "agree".into()]));
    assert_eq!(revised(&agreed, &further, &patient(), true), Ok(vec!["agree".into(), "pending".into()]));
    let going = agreed.replace(r#""active""#, r#""on-hold""#);
    assert_eq!(revised(&agreed, &going, &patient(), true), Ok(vec!["agree".into(), "agree".into()]));
}

/// Of every element of R4's Goal, of what stands beside it and of an extension that nobody knows: a change that is stored takes
/// back what the others have agreed to, or its row says why it is nothing that they agree upon.
#[test]
fn whatever_is_changed_asks_the_others_again() {
    let shape = r4().resource(ResourceType::parse("Goal").unwrap()).unwrap();
    let mut members: Vec<String> = Vec::new();
    for element in &shape.elements {
        match element.is_choice {
            true => members.extend(element.types.iter().map(|of| {
                let mut letters = of.name.chars();
                let first = letters.next().unwrap().to_ascii_uppercase();
                format!("{}{first}{}", element.name, letters.as_str())
            })),
            false => members.push(element.name.to_string()),
        }
    }
    assert!(members.contains(&"startDate".to_owned()) && members.contains(&"text".to_owned()), "{members:?}");
    assert!(NOT_AGREED_UPON.iter().all(|(name, _)| *name == "resourceType" || members.iter().any(|one| one == name)));
    members.extend(members.clone().into_iter().map(|name| format!("_{name}")));
    let words = [word("Patient/p1", "agree"), word("Practitioner/gp", "agree")].join(",");
    let version = |name: &str, says: Option<u8>| {
        let extension = |more: &str| format!(r#""extension":[{words}{more}]"#);
        let text = match (name, says) {
            ("extension", Some(says)) => extension(&format!(r#",{{"url":"urn:x","valueInteger":{says}}}"#)),
            ("meta", Some(says)) => format!(r#""meta":{{"tag":[{{"code":"{says}"}}]}},{}"#, extension("")),
            ("identifier", Some(says)) => format!(r#""identifier":[{{"value":"{says}"}}],{}"#, extension("")),
            (_, Some(says)) => format!(r#""{name}":{{"x":{says}}},{}"#, extension("")),
            (_, None) => extension(""),
        };
        json(&format!(r#"{{"resourceType":"Goal",{text}}}"#))
    };
    for name in &members {
        let element = name.trim_start_matches('_');
        let is_free = NOT_AGREED_UPON.iter().any(|(free, _)| *free == element);
        for (before, after) in [(None, Some(1)), (Some(1), Some(2)), (Some(1), None)] {
            for (writer, own) in
                [(patient(), true), (professional(), true), (patient(), false), (professional(), false)]
            {
                let (before, mut goal) = (version(name, before), version(name, after));
                let previous = Previous { value: &before, own };
                let mut issues = Vec::new();
                check(&mut goal, &WriteContext { previous: Some(&previous), ..by(&writer) }, &mut issues);
                let left: Vec<String> = acceptances(&goal, "").into_iter().map(|word| word.status).collect();
                let asked = match writer.kind {
                    WriterKind::Patient => ["agree", "pending"],
                    _ => ["pending", "agree"],
                };
                let refused = issues.iter().any(|issue| issue.severity == Severity::Error);
                assert!(refused || if is_free { left == ["agree", "agree"] } else { left == asked }, "{name} {left:?}");
                assert!(!own || !refused, "{name}: who wrote it first changes it");
            }
        }
    }
}

/// What says more than how a goal is kept, in the elements that say that, has been agreed to by nobody.
#[test]
fn what_is_said_beside_how_it_is_kept_is_agreed_upon() {
    let agreed = negotiated("agree", "agree")
        .replace(r#""expressedBy":{"reference":"Patient/p1"}"#, r#""priority":{"text":"x"}"#);
    for beside in [
        r#""meta":{"extension":[{"url":"urn:x","valueString":"and gives up the car"}]}"#,
        r#""meta":{"tag":[{"code":"x","extension":[{"url":"urn:x","valueString":"and gives up the car"}]}]}"#,
        r#""identifier":[{"value":"1","assigner":{"display":"and gives up the car"}}]"#,
    ] {
        let other = agreed.replacen('{', &format!("{{{beside},"), 1);
        let words = ["pending", "agree"].map(str::to_owned);
        assert_eq!(revised(&agreed, &other, &professional(), true), Ok(words.to_vec()), "{beside}");
    }
}

/// The patient accepts what stands there: whatever else it becomes is not what she has accepted.
#[test]
fn what_the_patient_accepted_is_accepted_as_it_was() {
    let by = r#","expressedBy":{"reference":"Practitioner/gp"}"#;
    let accepted = goal("accepted", &format!(r#"{by},"startDate":"2026-03-01""#));
    let by_her = |goal: &str| goal.replace("Practitioner/gp", "Patient/p1");
    for (from, to) in [("walk to the shop", "give up the car"), ("2026-03-01", "2027-03-01")] {
        let other = accepted.replace(from, to);
        assert_eq!(revised(&accepted, &other, &professional(), true), Err(vec!["Goal.lifecycleStatus".to_owned()]));
        let proposed = other.replace("accepted", "proposed");
        assert_eq!(revised(&accepted, &proposed, &professional(), true), Ok(vec![]));
        assert_eq!(revised(&by_her(&accepted), &by_her(&other), &patient(), true), Ok(vec![]), "who accepts it so");
        assert_eq!(revised(&accepted, &other, &system(), false), Ok(vec![]), "what was accepted elsewhere");
    }
    let going = accepted.replace(r#""accepted""#, r#""accepted","achievementStatus":{"text":"slowly"}"#);
    assert_eq!(revised(&accepted, &going, &professional(), true), Ok(vec![]));
}

#[test]
fn another_partys_goal_is_negotiated_and_not_taken_over() {
    let old = negotiated("agree", "pending");
    let taken =
        old.replace(r#""expressedBy":{"reference":"Patient/p1"}"#, r#""expressedBy":{"reference":"Practitioner/gp"}"#);
    assert_eq!(revised(&old, &taken, &professional(), false), Err(vec!["Goal.expressedBy".to_owned()]));
    let unsigned = old.replace(r#""description""#, r#""note":[{"text":"mine"}],"description""#);
    assert_eq!(revised(&old, &unsigned, &professional(), false), Err(vec!["Goal.note[0].author".to_owned()]));
    assert!(revised(&unsigned, &old, &professional(), false).unwrap_err().contains(&"Goal.note".to_owned()));
}

#[test]
fn agreement_needs_both_sides() {
    let of = |words: &[String]| {
        agreement(&json(&goal("active", &format!(r#","extension":[{}]"#, words.join(",")))), "").code()
    };
    let (me, gp) = (|status| word("Patient/p1", status), |status| word("Practitioner/gp", status));
    assert_eq!(agreement(&json(&goal("active", "")), ""), Agreement::None);
    assert_eq!(of(&[me("agree"), gp("agree")]), "agreed");
    assert_eq!(of(&[me("agree")]), "pending");
    assert_eq!(of(&[me("agree"), gp("pending")]), "pending");
    assert_eq!(of(&[me("agree"), gp("disagree")]), "disagreed");
    assert_eq!(of(&[word("RelatedPerson/son", "agree"), gp("agree")]), "agreed");
    let before = json(&negotiated("agree", "pending"));
    let after = json(&negotiated("agree", "agree").replace("shop", "park"));
    assert_eq!(changes(Some(&before), &after, ""), ["description was changed", "Practitioner/gp: agree"]);
    assert_eq!(changes(None, &before, "").len(), 3);
}

#[test]
fn to_agree_is_to_give_ones_word_or_to_accept() {
    let agreeing = |before: &str, after: &str, writer: &Writer| agrees(&json(after), &json(before), writer, "");
    let (waiting, agreed) = (negotiated("pending", "pending"), negotiated("agree", "pending"));
    assert!(agreeing(&waiting, &agreed, &patient()) && agreeing(&goal("active", ""), &agreed, &patient()));
    assert!(agreeing(&negotiated("disagree", "pending"), &agreed, &patient()));
    assert!(agreeing(&waiting, &negotiated("pending", "agree"), &professional()));
    for (before, after) in [(&agreed, &agreed), (&agreed, &waiting), (&waiting, &negotiated("disagree", "pending"))] {
        assert!(!agreeing(before, after, &patient()), "{after}");
    }
    assert!(!agreeing(&waiting, &agreed, &professional()), "another's word");
    assert!(!agreeing(&waiting, &agreed, &system()), "what others have agreed to");
    assert!(agreeing(&goal("proposed", ""), &goal("accepted", ""), &patient()));
    assert!(!agreeing(&goal("accepted", ""), &goal("accepted", ""), &patient()));
}
