//! Logos on the pages of sign-in: of apps that the operator has registered in the settings, and of whoever runs the server. Nobody else has
//! one there: what looks like an app that people know has to be looked at by somebody.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::sign_in::SignIn;

/// The largest, in bytes.
const MAX_BYTES: usize = 65_536;
/// How a PNG begins.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The logos that there are.
#[derive(Debug, Default)]
pub(super) struct Logos {
    own: Option<Arc<[u8]>>,
    apps: HashMap<String, Arc<[u8]>>,
}

impl Logos {
    /// Reads those that the settings name.
    ///
    /// # Errors
    /// One line, when one cannot be read, is none or is too large.
    pub(super) fn read(config: &Config) -> Result<Logos, String> {
        let own = config.sign_in.as_ref().and_then(|sign_in| sign_in.logo_file.as_deref());
        let own = own.map(|path| read(path).map_err(|error| format!("sign_in: logo_file {error}"))).transpose()?;
        let mut apps = HashMap::new();
        for client in &config.clients {
            if let Some(path) = &client.logo_file {
                let logo = read(path).map_err(|error| format!("clients: {:?}: logo_file {error}", client.client))?;
                apps.insert(client.client.clone(), logo);
            }
        }
        Ok(Logos { own, apps })
    }
}

fn read(path: &Path) -> Result<Arc<[u8]>, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    match bytes.len() <= MAX_BYTES && bytes.starts_with(PNG) {
        true => Ok(bytes.into()),
        false => Err(format!("{}: it is no PNG of at most 64 KiB", path.display())),
    }
}

impl SignIn {
    /// The logo of an app.
    pub(crate) fn logo_of(&self, client: &str) -> Option<&[u8]> {
        self.logos.apps.get(client).filter(|_| self.is_configured(client)).map(AsRef::as_ref)
    }

    /// The logo of whoever runs the server.
    pub(crate) fn own_logo(&self) -> Option<&[u8]> {
        self.logos.own.as_deref()
    }

    /// What that says.
    pub(crate) fn own_logo_text(&self) -> &str {
        self.settings.logo_text.as_deref().unwrap_or_default()
    }
}
