//! The web origins of the clients that there are: their pages may call. What a client is registered with now takes the place of
//! what it was registered with before, and goes when the client goes.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// The most origins of one client.
const MOST: usize = 50;

/// The origins of each client.
#[derive(Debug, Default)]
pub(super) struct Origins(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    /// How often something has changed.
    changes: u64,
    of_clients: HashMap<String, Vec<String>>,
    /// How many clients have an origin.
    clients_of: HashMap<String, usize>,
}

fn of(redirect_uris: &[String]) -> Vec<String> {
    let mut all: Vec<String> = redirect_uris
        .iter()
        .filter_map(|uri| url::Url::parse(uri).ok().filter(|url| matches!(url.scheme(), "http" | "https")))
        .map(|url| url.origin().ascii_serialization())
        .collect();
    all.sort();
    all.dedup();
    all.truncate(MOST);
    all
}

impl Known {
    fn set(&mut self, client: &str, origins: Vec<String>) {
        if self.of_clients.get(client).map_or(&[][..], Vec::as_slice) == origins.as_slice() {
            return;
        }
        self.changes += 1;
        for gone in self.of_clients.remove(client).unwrap_or_default() {
            if let Some(count) = self.clients_of.get_mut(&gone) {
                *count -= 1;
                if *count == 0 {
                    self.clients_of.remove(&gone);
                }
            }
        }
        for origin in &origins {
            *self.clients_of.entry(origin.clone()).or_default() += 1;
        }
        if !origins.is_empty() {
            self.of_clients.insert(client.to_owned(), origins);
        }
    }
}

impl Origins {
    /// Whether it is one of a client's.
    pub(super) fn has(&self, origin: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clients_of.contains_key(origin)
    }

    /// Puts the origins of these addresses in the place of a client's; of a client that has gone there are none.
    pub(super) fn set(&self, client: &str, redirect_uris: &[String]) {
        let origins = of(redirect_uris);
        let is_known = {
            let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
            known.of_clients.get(client).map_or(&[][..], Vec::as_slice) == origins.as_slice()
        };
        // Nearly always it is: who asks waits for nobody then.
        if !is_known {
            self.0.write().unwrap_or_else(PoisonError::into_inner).set(client, origins);
        }
    }

    /// How often something has changed, for [`Origins::set_all`].
    pub(super) fn changes(&self) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).changes
    }

    /// Puts those of all clients, as they were read after so many changes, in the place of what is known. What has changed since
    /// then is newer than what was read, and stays.
    pub(super) fn set_all<'a>(&self, changes: u64, clients: impl Iterator<Item = (&'a str, &'a [String])>) {
        let mut all = Known { changes: changes + 1, ..Known::default() };
        for (client, redirect_uris) in clients {
            all.set(client, of(redirect_uris));
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.changes == changes {
            *known = all;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uris(all: &[&str]) -> Vec<String> {
        all.iter().map(|one| (*one).to_owned()).collect()
    }

    #[test]
    fn origins_are_those_of_the_clients_that_there_are() {
        let origins = Origins::default();
        origins
            .set("a", &uris(&["https://a.example/back", "https://a.example/2", "https://shared.example/", "app.a:/b"]));
        origins.set("b", &uris(&["https://shared.example/b"]));
        assert!(origins.has("https://a.example") && origins.has("https://shared.example") && !origins.has("null"));
        origins.set("a", &uris(&["https://new.example/"]));
        assert!(origins.has("https://new.example") && origins.has("https://shared.example"));
        assert!(!origins.has("https://a.example"));
        origins.set("b", &[]);
        assert!(!origins.has("https://shared.example"));
        for number in 0..20_000 {
            origins.set("a", &uris(&[&format!("https://a{number}.example/")]));
        }
        origins.set("c", &uris(&["https://c.example/"]));
        assert!(origins.has("https://c.example") && !origins.has("https://a0.example"));
    }

    #[test]
    fn what_is_newer_than_what_was_read_stays() {
        let origins = Origins::default();
        let (a, b) = (uris(&["https://a.example/"]), uris(&["https://b.example/"]));
        origins.set("gone", &a);
        origins.set_all(origins.changes(), [("b", b.as_slice())].into_iter());
        assert!(origins.has("https://b.example") && !origins.has("https://a.example"));
        let before = origins.changes();
        origins.set("a", &a);
        origins.set_all(before, [("b", b.as_slice())].into_iter());
        assert!(origins.has("https://a.example"));
    }
}
