use super::ApiToken;

/// A request extension: the forwarding service calls the tenant with this credential instead of the
/// configured one.
///
/// The token endpoint sends its look-up with the *caller's* API token this way, so that one request
/// both authenticates the caller and finds the profile. A 401 or 403 of the tenant is then about
/// that token.
#[derive(Clone, Debug)]
pub struct CallAs(pub ApiToken);

/// A request extension: the forwarding service may send the request with the configured API token.
///
/// That token grants access to every profile, so the forwarding service responds with 404 by
/// default. It forwards requests that the me layer has rewritten
/// ([`MeRequest`](crate::path::MeRequest)), requests with a credential of their own ([`CallAs`]),
/// and requests with this marker. Insert it after your own code has authorized a request:
///
/// ```
/// use http::Request;
/// use omneo_id::tenant::AllowForward;
///
/// let mut request = Request::get("/locations").body(())?;
/// request.extensions_mut().insert(AllowForward::new());
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowForward(());

impl AllowForward {
    /// Permits to forward the request.
    pub const fn new() -> Self {
        Self(())
    }
}
