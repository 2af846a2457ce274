//! The token by which the terminology server lets us ask: OAuth 2.0 client credentials (RFC 6749, section 4.4), as NHS
//! England's terminology server wants them.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::TerminologyServer;
use super::wire::body;

/// How long before its end a token is not used any more.
const MARGIN: Duration = Duration::from_secs(30);

/// How long a token is used whose end is not said.
const USUAL_SECONDS: u64 = 60;

/// The largest answer with a token, in bytes.
const MOST_BYTES: usize = 64 * 1024;

/// A token and until when it is used.
pub(super) struct Token {
    text: String,
    until: Instant,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<u64>,
}

impl TerminologyServer {
    /// The token to ask with; none where none is needed.
    pub(super) async fn token(&self) -> Result<Option<String>, String> {
        let Some((endpoint, client_id, secret_file)) = &self.settings.credentials else { return Ok(None) };
        let mut held = self.token.lock().await;
        if let Some(token) = held.as_ref().filter(|token| Instant::now() < token.until) {
            return Ok(Some(token.text.clone()));
        }
        let file = secret_file.clone();
        // Read each time, so that it can be changed while the server runs.
        let secret = tokio::task::spawn_blocking(move || std::fs::read_to_string(file)).await;
        let secret = secret
            .map_err(|error| error.to_string())?
            .map_err(|error| format!("cannot read {}: {error}", secret_file.display()))?;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", client_id)
            .append_pair("client_secret", secret.trim())
            .finish();
        let request = self.client()?.post(endpoint).header("content-type", "application/x-www-form-urlencoded");
        let response = request.body(form).send().await.map_err(|error| error.without_url().to_string())?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("{endpoint} answers {}", response.status().as_u16()));
        }
        let bytes = body(response, MOST_BYTES).await?;
        let granted: Granted =
            serde_json::from_slice(&bytes).map_err(|_| format!("{endpoint} answers without an access token"))?;
        let seconds = Duration::from_secs(granted.expires_in.unwrap_or(USUAL_SECONDS).min(86_400));
        let token = Token { text: granted.access_token, until: Instant::now() + seconds.saturating_sub(MARGIN) };
        let text = token.text.clone();
        *held = Some(token);
        Ok(Some(text))
    }

    /// Gives up the token that was refused.
    pub(super) async fn forget_token(&self) {
        *self.token.lock().await = None;
    }
}
