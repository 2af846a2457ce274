//! Whether what is stored is still what it was: every version against the digest that was noted of it, what its body says of
//! itself, and for a current one what stands beside it.

use std::sync::Arc;

use concord_fhir::registry::ResourceType;
use concord_store::StoreError;
use concord_store::lower::Rows;
use concord_store::rows::Version;
use concord_store::verify::{Beside, Checked, Digest};

use crate::interact::Service;

/// How many versions are listed at once.
const LISTED: u32 = 1_000;

/// How many of them are read at once.
const READ: usize = 100;

/// How many bytes of bodies are read at once, where it is more than one.
const BYTES: i64 = 8 * 1024 * 1024;

/// How many problems are told.
const MOST_PROBLEMS: usize = 100;

/// What a verification has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// How many versions it has looked at.
    pub(crate) versions: u64,
    /// How many there were when it began.
    pub(crate) total: u64,
    /// How many have no digest: an older release has stored them.
    pub(crate) without: u64,
    /// What is wrong, a sentence each; the first hundred.
    pub(crate) problems: Vec<String>,
    /// How many versions are not what they were.
    pub(crate) wrong: u64,
}

impl Report {
    fn problem(&mut self, name: &str, text: &str) {
        self.wrong += 1;
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(format!("{name}: {text}"));
        }
    }
}

/// Goes through all versions. `fill` notes a digest of those that have none. `told` is called now and then.
///
/// # Errors
/// When the database fails. What is wrong with the versions is in the report.
pub(crate) async fn verify(
    service: &Arc<Service>,
    fill: bool,
    mut told: impl FnMut(&Report),
) -> Result<Report, StoreError> {
    let total = service.store.read(|transaction| (transaction.count_versions(), Vec::new())).await?;
    let mut report = Report { total: u64::try_from(total).unwrap_or(0), ..Report::default() };
    for rows in [Rows::Current, Rows::Superseded] {
        let mut after = i64::MIN;
        loop {
            let listed = service
                .store
                .read(move |transaction| (transaction.sizes_after(rows, after, LISTED), Vec::new()))
                .await?;
            let Some((last, _)) = listed.last() else { break };
            after = *last;
            for keys in portions(&listed) {
                portion(service, rows, keys, fill, &mut report).await?;
                told(&report);
            }
        }
    }
    Ok(report)
}

/// The keys in portions that are read at once.
fn portions(listed: &[(i64, i64)]) -> Vec<Vec<i64>> {
    let mut portions: Vec<Vec<i64>> = Vec::new();
    let mut bytes = 0;
    for (key, size) in listed {
        match portions.last_mut() {
            Some(portion) if portion.len() < READ && bytes + size <= BYTES => portion.push(*key),
            _ => {
                bytes = 0;
                portions.push(vec![*key]);
            }
        }
        bytes += size;
    }
    portions
}

/// Looks at some versions together; where one of them cannot be read, one by one.
async fn portion(
    service: &Arc<Service>,
    rows: Rows,
    keys: Vec<i64>,
    fill: bool,
    report: &mut Report,
) -> Result<(), StoreError> {
    match look(service, rows, keys.clone(), fill, report).await {
        Err(StoreError::Internal(_)) => {}
        other => return other,
    }
    for key in keys {
        if let Err(StoreError::Internal(cause)) = look(service, rows, vec![key], fill, report).await {
            let name = service.store.read(move |transaction| (transaction.name_of_row(rows, key), Vec::new())).await?;
            report.versions += 1;
            if let Some((number, id, version)) = name {
                let resource_type = ResourceType::from_number(number).map_or("?", ResourceType::name);
                report
                    .problem(&format!("{resource_type}/{id}, version {version}"), &format!("cannot be read: {cause}"));
            }
        }
    }
    Ok(())
}

async fn look(
    service: &Arc<Service>,
    rows: Rows,
    keys: Vec<i64>,
    fill: bool,
    report: &mut Report,
) -> Result<(), StoreError> {
    let (checked, beside) = service
        .store
        .read(move |transaction| {
            let found = transaction.checked(rows, &keys).and_then(|checked| {
                let beside = match rows {
                    Rows::Current => transaction.beside(&keys)?,
                    Rows::Superseded => Vec::new(),
                };
                Ok((checked, beside))
            });
            (found, Vec::new())
        })
        .await?;
    let mut without = Vec::new();
    for one in checked {
        report.versions += 1;
        let version = &one.version;
        let name = format!("{}/{}, version {}", version.resource_type, version.id, version.version);
        let stands = beside.iter().find(|(key, _)| *key == version.key).map(|(_, beside)| beside);
        for text in wrong_with(&one, stands) {
            report.problem(&name, &text);
        }
        if one.digest == Digest::Missing {
            report.without += 1;
            without.push(one.version);
        }
    }
    if fill && !without.is_empty() {
        let noted = service.store.write(move |transaction| {
            (without.iter().try_for_each(|version| transaction.fill_digest(rows, version)), Vec::new())
        });
        noted.await?;
    }
    Ok(())
}

/// What is wrong with a version.
fn wrong_with(checked: &Checked, beside: Option<&Beside>) -> Vec<String> {
    let Checked { version, digest } = checked;
    let mut wrong = Vec::new();
    if *digest == Digest::Wrong {
        wrong.push("it is not what was stored".to_owned());
    }
    if !version.deleted {
        wrong.extend(wrong_with_body(version));
    }
    let Some(beside) = beside else { return wrong };
    let before = version.version - 1;
    if beside.superseded != before || beside.newest != before {
        wrong.push(format!("{before} versions came before it, and there are {}", beside.superseded));
    }
    let records = i64::from(version.patients);
    if !version.deleted && beside.records != records {
        wrong.push(format!(
            "the index puts it in {} records and it is in {records}: run `concord reindex --all`",
            beside.records
        ));
    }
    wrong
}

/// What the body says of itself that its row does not.
fn wrong_with_body(version: &Version) -> Option<String> {
    let Ok(value) = version.resource() else { return Some("its body is no JSON".to_owned()) };
    let number = version.version.to_string();
    let parts = [
        ("resourceType", value.text("resourceType"), version.resource_type.name()),
        ("id", value.text("id"), version.id.as_str()),
        ("meta.versionId", value.get("meta").and_then(|meta| meta.text("versionId")), number.as_str()),
    ];
    let odd = parts.into_iter().find(|(_, own, wanted)| *own != Some(*wanted));
    odd.map(|(name, own, wanted)| match own {
        Some(own) => format!("its {name} is {own}, where it should be {wanted}"),
        None => format!("it has no {name}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_at_once_is_bounded() {
        assert_eq!(portions(&[]), Vec::<Vec<i64>>::new());
        assert_eq!(portions(&[(1, 10), (2, 10)]), [vec![1, 2]]);
        let large = BYTES - 5;
        assert_eq!(portions(&[(1, large), (2, 10), (3, 2 * BYTES), (4, 1)]), [vec![1], vec![2], vec![3], vec![4]]);
        let many: Vec<(i64, i64)> = (0..250).map(|key| (key, 1)).collect();
        assert_eq!(portions(&many).iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
    }
}
