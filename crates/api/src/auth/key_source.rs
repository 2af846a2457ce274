//! Where the keys of an issuer are read from.

use std::path::PathBuf;

use url::Url;

/// The largest JWK Set, in bytes.
const MAX_SET_BYTES: u64 = 1 << 20;

/// Where the keys of an issuer are.
pub(super) enum KeySource {
    /// At a URL.
    Url(Url, reqwest::Client),
    /// In a file.
    File(PathBuf),
    /// Known from the start and never changed: the development issuer's.
    Fixed(String),
}

/// Why keys could not be had. For the log: it names the place, and no client sees it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(pub(super) String);

impl KeyError {
    /// The set of keys is there and has none that can be used.
    pub(super) fn none() -> KeyError {
        KeyError("the set has no key that can be used".to_owned())
    }
}

impl KeySource {
    /// The bytes of the JWK Set as it is now.
    pub(super) async fn load(&self) -> Result<Vec<u8>, KeyError> {
        match self {
            KeySource::Url(url, client) => fetch(url, client).await,
            KeySource::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || read_file(&path)).await;
                read.unwrap_or_else(|_| Err(KeyError("reading the key file was cut short".to_owned())))
            }
            KeySource::Fixed(json) => Ok(json.as_bytes().to_vec()),
        }
    }
}

/// The client that fetches an issuer's keys: it follows no redirect, keeps no idle connection (they would be bound to the
/// thread that opened them) and gives up after ten seconds. Making it reads the machine's certificates, which costs time
/// and fails where there are none, so it is made only for an issuer with a URL.
pub(super) fn client() -> Result<reqwest::Client, KeyError> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(std::time::Duration::from_secs(5))
        .timeout(std::time::Duration::from_secs(10))
        .pool_max_idle_per_host(0)
        .user_agent(concat!("concord/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| KeyError(format!("cannot set up TLS: {error}")))
}

/// The bytes of the JWK Set at a URL, as it is now, and how many seconds whoever sent it lets it be kept, where that is said.
///
/// # Errors
/// When it cannot be fetched.
pub(crate) async fn fetch_keys(url: &str) -> Result<(Vec<u8>, Option<i64>), KeyError> {
    keys_by(&client()?, url, MAX_SET_BYTES).await
}

/// The same, asked by this client and no larger than that many bytes.
pub(super) async fn keys_by(
    client: &reqwest::Client,
    url: &str,
    most_bytes: u64,
) -> Result<(Vec<u8>, Option<i64>), KeyError> {
    let request = client.get(url).header("accept", "application/jwk-set+json, application/json");
    let (headers, bytes) = answer(url, request, most_bytes).await?;
    let said = headers.get_all("cache-control").iter().filter_map(|value| value.to_str().ok());
    Ok((bytes, kept_s(said)))
}

/// How long an answer may be kept by what its `Cache-Control` says (RFC 9111 section 5.2.2).
fn kept_s<'h>(headers: impl Iterator<Item = &'h str>) -> Option<i64> {
    let directives = headers.flat_map(|text| text.split(',')).map(|one| one.trim().to_ascii_lowercase());
    let times = directives.filter_map(|one| match one.as_str() {
        "no-store" | "no-cache" => Some(0),
        other => other.strip_prefix("max-age=")?.trim_matches('"').parse().ok(),
    });
    times.min()
}

/// What a token endpoint answers to a form. `authorization` is the header by which this server says who it is, if it does so by
/// one.
///
/// # Errors
/// When it cannot be reached or answers anything but 200.
pub(crate) async fn post_form(url: &str, form: String, authorization: Option<String>) -> Result<Vec<u8>, KeyError> {
    let mut request = client()?.post(url).header("content-type", "application/x-www-form-urlencoded");
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    Ok(answer(url, request.header("accept", "application/json").body(form), MAX_SET_BYTES).await?.1)
}

/// The JSON at a URL.
///
/// # Errors
/// When it cannot be fetched.
pub(crate) async fn fetch_json(url: &str) -> Result<Vec<u8>, KeyError> {
    Ok(answer(url, client()?.get(url).header("accept", "application/json"), MAX_SET_BYTES).await?.1)
}

async fn fetch(url: &Url, client: &reqwest::Client) -> Result<Vec<u8>, KeyError> {
    let request = client.get(url.clone()).header("accept", "application/jwk-set+json, application/json");
    Ok(answer(url.as_str(), request, MAX_SET_BYTES).await?.1)
}

/// An answer, which is no larger than that many bytes.
async fn answer(
    url: &str,
    request: reqwest::RequestBuilder,
    most_bytes: u64,
) -> Result<(reqwest::header::HeaderMap, Vec<u8>), KeyError> {
    let failed = |error: reqwest::Error| KeyError(format!("cannot fetch {url}: {}", innermost(&error)));
    let mut response = request.send().await.map_err(failed)?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(KeyError(format!("cannot fetch {url}: it answers {}", response.status().as_u16())));
    }
    let headers = response.headers().clone();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len().saturating_add(chunk.len()) as u64 > most_bytes {
            return Err(KeyError(format!("cannot fetch {url}: it is larger than {most_bytes} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((headers, body))
}

/// The cause at the end of the chain: what really happened ("connection refused").
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn read_file(path: &std::path::Path) -> Result<Vec<u8>, KeyError> {
    let failed = |error: std::io::Error| KeyError(format!("cannot read {}: {error}", path.display()));
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_SET_BYTES {
        return Err(KeyError(format!("cannot read {}: it is larger than {MAX_SET_BYTES} bytes", path.display())));
    }
    std::fs::read(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::kept_s;

    #[test]
    fn what_is_fetched_is_kept_no_longer_than_its_sender_says() {
        for (text, kept) in [
            ("max-age=60", Some(60)),
            ("public, Max-Age=\"60\", must-revalidate", Some(60)),
            ("max-age=60, no-store", Some(0)),
            ("no-cache", Some(0)),
            ("public", None),
            ("max-age=soon", None),
        ] {
            assert_eq!(kept_s([text].into_iter()), kept, "{text}");
        }
        assert_eq!(kept_s(std::iter::empty()), None);
    }
}
