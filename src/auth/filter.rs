use crate::identity::VerifiedToken;

/// A check of an application's own, besides those of a [`TokenVerifier`](crate::TokenVerifier): for
/// example, whether an account is suspended.
///
/// It is called at each use of a valid token, also of a cached one, and must not block. Any
/// `Fn(&VerifiedToken) -> bool` is a filter:
///
/// ```
/// use omneo_id::identity::VerifiedToken;
/// use omneo_id::{Keyring, TokenVerifier};
///
/// # fn example(ring: Keyring) -> TokenVerifier {
/// TokenVerifier::new(ring).with_filter(|token: &VerifiedToken| {
///     token.claims().token_id.is_some()
/// })
/// # }
/// ```
pub trait TokenFilter: Send + Sync + 'static {
    /// Whether the token is accepted. A token that is not accepted gets the same 401 as
    /// an invalid one.
    fn accepts(&self, token: &VerifiedToken) -> bool;
}

impl<F> TokenFilter for F
where
    F: Fn(&VerifiedToken) -> bool + Send + Sync + 'static,
{
    fn accepts(&self, token: &VerifiedToken) -> bool {
        self(token)
    }
}
