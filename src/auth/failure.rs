use std::error::Error;

use super::{VerifyError, VerifyErrorKind};
use crate::headers::CredentialsError;
use crate::rejection::{Rejection, RejectionKind};

/// Why a request was not authenticated: a closed set, for metrics and logs. It is not sent to
/// clients.
///
/// ```
/// use http::Response;
/// use omneo_id::Rejection;
/// use omneo_id::auth::AuthFailure;
///
/// fn cause<B>(response: &Response<B>) -> Option<&'static str> {
///     let rejection = response.extensions().get::<Rejection>()?;
///     AuthFailure::from_rejection(rejection).map(AuthFailure::code)
/// }
/// # assert_eq!(cause(&Response::new(())), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthFailure {
    /// The request has no credential.
    Missing,
    /// The request has more than one credential.
    Ambiguous,
    /// The scheme of the `Authorization` header is not `Bearer`.
    Scheme,
    /// The `Authorization` header has no well-formed bearer credential.
    Credential,
    /// At the token endpoint: the credential is not an API token, or the tenant rejects it.
    Refused,
    /// The ID token is not valid.
    Token(VerifyErrorKind),
}

impl AuthFailure {
    /// The failures that are not about an ID token.
    const WITHOUT_TOKEN: [Self; 5] = [
        Self::Missing,
        Self::Ambiguous,
        Self::Scheme,
        Self::Credential,
        Self::Refused,
    ];

    /// The number of failures.
    pub const COUNT: usize = Self::WITHOUT_TOKEN.len() + VerifyErrorKind::ALL.len();

    /// Every failure, in a fixed order.
    pub fn all() -> impl Iterator<Item = Self> {
        let tokens = VerifyErrorKind::ALL.iter().copied().map(Self::Token);
        Self::WITHOUT_TOKEN.into_iter().chain(tokens)
    }

    /// The failure behind a rejection. `None` for a rejection of another kind.
    pub fn from_rejection(rejection: &Rejection) -> Option<Self> {
        match rejection.kind() {
            RejectionKind::MissingCredentials => return Some(Self::Missing),
            RejectionKind::AmbiguousCredentials => return Some(Self::Ambiguous),
            RejectionKind::InvalidToken | RejectionKind::RevocationUnavailable => {}
            _ => return None,
        }
        let cause = rejection.source();
        if let Some(error) = cause.and_then(|cause| cause.downcast_ref::<VerifyError>()) {
            return Some(Self::Token(error.kind()));
        }
        // A session could not be ended.
        if rejection.kind() == RejectionKind::RevocationUnavailable {
            return None;
        }
        let Some(cause) = cause else {
            return Some(Self::Refused);
        };
        Some(match cause.downcast_ref::<CredentialsError>() {
            Some(CredentialsError::Ambiguous) => Self::Ambiguous,
            Some(CredentialsError::Scheme) => Self::Scheme,
            Some(CredentialsError::Malformed) | None => Self::Credential,
        })
    }

    /// A stable name for logs and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Ambiguous => "ambiguous",
            Self::Scheme => "scheme",
            Self::Credential => "malformed_credential",
            Self::Refused => "refused",
            Self::Token(kind) => kind.code(),
        }
    }

    /// The kind of the rejection that the failure leads to.
    pub const fn rejection_kind(self) -> RejectionKind {
        match self {
            Self::Missing => RejectionKind::MissingCredentials,
            Self::Ambiguous => RejectionKind::AmbiguousCredentials,
            Self::Token(VerifyErrorKind::RevocationsStale) => RejectionKind::RevocationUnavailable,
            Self::Scheme | Self::Credential | Self::Refused | Self::Token(_) => {
                RejectionKind::InvalidToken
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_failure_has_a_code_of_its_own() {
        let codes: HashSet<&str> = AuthFailure::all().map(AuthFailure::code).collect();
        assert_eq!(codes.len(), AuthFailure::COUNT);
    }

    #[test]
    fn each_failure_is_found_behind_its_rejection() {
        for failure in AuthFailure::all() {
            let rejection = Rejection::new(failure.rejection_kind());
            let rejection = match failure {
                AuthFailure::Missing | AuthFailure::Refused => rejection,
                AuthFailure::Ambiguous => rejection.because(CredentialsError::Ambiguous),
                AuthFailure::Scheme => rejection.because(CredentialsError::Scheme),
                AuthFailure::Credential => rejection.because(CredentialsError::Malformed),
                AuthFailure::Token(kind) => rejection.because(VerifyError::from(kind)),
            };
            assert_eq!(AuthFailure::from_rejection(&rejection), Some(failure));
        }
        for kind in [
            RejectionKind::NotFound,
            RejectionKind::TenantCredentials,
            RejectionKind::RevocationUnavailable,
        ] {
            assert_eq!(AuthFailure::from_rejection(&kind.into()), None);
        }
    }
}
