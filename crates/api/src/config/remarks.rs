//! What is odd about settings each of which fits.

use super::{Config, DEVELOPMENT_ISSUER};

impl Config {
    /// What is odd about settings each of which fits: a line for each.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.issuers.is_empty() && !self.development_issuer && self.sign_in.is_none() {
            remarks.push("issuers: there is none, so no token is believed and nobody can call".to_owned());
        }
        let is_known = |name: &str| {
            self.issuers.iter().any(|one| one.issuer == name)
                || (self.development_issuer && name == DEVELOPMENT_ISSUER)
                || (self.sign_in.is_some() && name == self.public_url)
        };
        if self.sign_in.is_none() {
            let first = self.clients.iter().find(|client| client.scope.is_some());
            remarks.extend(first.map(|client| {
                format!("clients: {:?} has a scope, but there is no [sign_in] that gives out tokens", client.client)
            }));
        }
        for client in &self.clients {
            if let Some(issuer) = client.issuer.as_deref().filter(|issuer| !is_known(issuer)) {
                let client = &client.client;
                remarks.push(format!("clients: {client:?} is of the issuer {issuer:?}, which is none of `issuers`"));
            }
        }
        remarks
    }
}
