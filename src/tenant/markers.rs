use super::ApiToken;

/// In the extensions of a request to the forwarding service: call the tenant with this credential
/// instead of the configured one.
///
/// The token endpoint sends its look-up with the *caller's* API token this way, so that one request
/// both authenticates and resolves. The tenant's 401 and 403 then are the caller's own.
#[derive(Clone, Debug)]
pub struct CallAs(pub ApiToken);

/// In the extensions of a request to the forwarding service: somebody decided that it may go up
/// with the tenant's API token.
///
/// The forwarding service opens every customer's record, so it is closed by default: it sends what
/// the me rule has rewritten ([`MeRequest`](crate::path::MeRequest)), what calls with a credential
/// of its own ([`CallAs`]), and what carries this. Insert it where your own code has checked a
/// request; everything else is answered 404.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowForward(());

impl AllowForward {
    /// "This request may go to the tenant with its API token."
    pub const fn new() -> Self {
        Self(())
    }
}
