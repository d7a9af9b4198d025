//! Every answer that the crate gives by itself, from one table.
//!
//! A [`Rejection`] is a [`RejectionKind`] with what this one case adds to it (a `Retry-After`, the
//! fields to blame, the cause). The kind decides status, code, message and gRPC status, in one
//! place; callers of HTTP, gRPC and gRPC-Web each get it in their own [`Dialect`]. Clients read the
//! kind's words only; the cause stays in the response's extensions, for logs:
//!
//! ```
//! use omneo_id::headers::Dialect;
//! use omneo_id::{Rejection, RejectionKind};
//!
//! let rejection = Rejection::new(RejectionKind::InvalidToken);
//! let response = rejection.into_response(Dialect::Http);
//! assert_eq!(response.status(), 401);
//! let rejection = response.extensions().get::<Rejection>().unwrap();
//! assert_eq!(rejection.kind(), RejectionKind::InvalidToken);
//! ```

mod answer;
mod fields;
mod kind;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

pub use fields::FieldErrors;
pub use kind::RejectionKind;

#[cfg(doc)]
use crate::headers::Dialect;

/// A refusal or failure that this crate answers by itself.
///
/// See the [module docs](self). It is a value: cloning shares the cause.
#[derive(Clone)]
pub struct Rejection {
    kind: RejectionKind,
    message: Option<Cow<'static, str>>,
    errors: Option<Arc<FieldErrors>>,
    retry_after: Option<Duration>,
    allow: Option<&'static str>,
    challenge: Option<HeaderValue>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl Rejection {
    /// A rejection of this kind, with nothing added.
    pub fn new(kind: RejectionKind) -> Self {
        Self {
            kind,
            message: None,
            errors: None,
            retry_after: None,
            allow: None,
            challenge: None,
            cause: None,
        }
    }

    /// A wrong method on a known path. `allow` lists the right ones, as the `Allow` header does.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(RejectionKind::MethodNotAllowed)
        }
    }

    /// Fields to blame, in the tenant's 422 shape.
    pub fn invalid_fields(errors: FieldErrors) -> Self {
        Self {
            errors: Some(Arc::new(errors)),
            ..Self::new(RejectionKind::InvalidFields)
        }
    }

    /// Replaces the words that the client reads. They must not hold anything secret.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Tells the client when to try again, in whole seconds, rounded up.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Replaces the `WWW-Authenticate` challenge of a 401.
    #[must_use]
    pub fn with_challenge(mut self, challenge: HeaderValue) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// Keeps the cause, for logs and extensions. Clients never see it.
    #[must_use]
    pub fn because(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// What was refused, or failed.
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// The words that the client reads.
    pub fn message(&self) -> &str {
        self.message
            .as_deref()
            .or_else(|| self.errors.as_ref().and_then(|errors| errors.first()))
            .unwrap_or_else(|| self.kind.message())
    }

    /// The fields to blame, if any.
    pub fn errors(&self) -> Option<&FieldErrors> {
        self.errors.as_deref()
    }
}

impl From<RejectionKind> for Rejection {
    fn from(kind: RejectionKind) -> Self {
        Self::new(kind)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.code())
    }
}

impl fmt::Debug for Rejection {
    /// The kind and the cause; never a message or field, which may hold what a client sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("kind", &self.kind)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(|cause| &**cause as _)
    }
}
