//! What an app may still have of the scope that it was let: no more than its client is registered for now.

use concord_signin::client::Client;
use concord_signin::scope::Granted;

/// What of a scope is still registered for its client.
pub(super) fn current_scope(scope: &str, client: &Client) -> Granted {
    Granted::parse(scope).within(&Granted::parse(&client.scope))
}

/// What of the scope of a grant its client may still have; none where nothing is left that is of use.
pub(super) fn usable_scope(scope: &str, client: &Client) -> Option<Granted> {
    let scope = current_scope(scope, client);
    (scope.resources().next().is_some() || scope.has("openid")).then_some(scope)
}

/// Whether what is let may be had anew by a refresh token.
pub(super) fn is_for_long(scope: &Granted) -> bool {
    scope.has("offline_access") || scope.has("online_access")
}
