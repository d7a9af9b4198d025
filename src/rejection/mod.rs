//! Every answer that the crate gives by itself, from one table.
//!
//! A [`Rejection`] is a [`RejectionKind`] with what this one case adds to it (a `Retry-After`, the
//! fields to blame, the cause). The kind decides status, code, message and gRPC status, in one
//! place; callers of HTTP, gRPC and gRPC-Web each get it in their own [`WireProtocol`]. Clients
//! read the kind's words only; the cause stays in the response's extensions, for logs:
//!
//! ```
//! use omneo_id::headers::WireProtocol;
//! use omneo_id::{Rejection, RejectionKind};
//!
//! let rejection = Rejection::new(RejectionKind::InvalidToken);
//! let response = rejection.into_response(WireProtocol::Http);
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

pub use answer::options;
pub use fields::FieldErrors;
pub use kind::RejectionKind;

#[cfg(doc)]
use crate::headers::WireProtocol;

/// A refusal or failure that this crate answers by itself.
///
/// See the [module docs](self). It is a value: cloning shares the cause.
#[derive(Clone)]
pub struct Rejection {
    kind: RejectionKind,
    // Most have nothing to add; boxed, so that a `Result` stays small.
    details: Option<Box<Details>>,
}

/// What one case adds to its kind.
#[derive(Clone, Default)]
struct Details {
    message: Option<Cow<'static, str>>,
    errors: Option<Arc<FieldErrors>>,
    retry_after: Option<Duration>,
    allow: Option<Cow<'static, str>>,
    challenge: Option<HeaderValue>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl Rejection {
    /// A rejection of this kind, with nothing added.
    pub const fn new(kind: RejectionKind) -> Self {
        Self {
            kind,
            details: None,
        }
    }

    /// A wrong method on a known path. `allow` lists the right ones, as the `Allow` header does.
    pub fn method_not_allowed(allow: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RejectionKind::MethodNotAllowed)
            .with(|details| details.allow = Some(allow.into()))
    }

    /// Fields to blame, in the tenant's 422 shape.
    pub fn invalid_fields(errors: FieldErrors) -> Self {
        Self::new(RejectionKind::InvalidFields)
            .with(|details| details.errors = Some(Arc::new(errors)))
    }

    /// Replaces the words that the client reads. They must not hold anything secret.
    #[must_use]
    pub fn with_message(self, message: impl Into<Cow<'static, str>>) -> Self {
        self.with(|details| details.message = Some(message.into()))
    }

    /// Tells the client when to try again: `Retry-After` in whole seconds, rounded up, or to gRPC
    /// callers `grpc-retry-pushback-ms`.
    #[must_use]
    pub fn with_retry_after(self, after: Duration) -> Self {
        self.with(|details| details.retry_after = Some(after))
    }

    /// Replaces the `WWW-Authenticate` challenge of a 401.
    #[must_use]
    pub fn with_challenge(self, challenge: HeaderValue) -> Self {
        self.with(|details| details.challenge = Some(challenge))
    }

    /// Keeps the cause, for logs and extensions. Clients never see it.
    #[must_use]
    pub fn because(self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.with(|details| details.cause = Some(Arc::new(cause)))
    }

    fn with(mut self, add: impl FnOnce(&mut Details)) -> Self {
        add(self.details.get_or_insert_default());
        self
    }

    /// What was refused, or failed.
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// The words that the client reads.
    pub fn message(&self) -> &str {
        let own = self.details.as_ref().and_then(|details| {
            let first = || details.errors.as_ref().and_then(|errors| errors.first());
            details.message.as_deref().or_else(first)
        });
        own.unwrap_or_else(|| self.kind.message())
    }

    /// The fields to blame, if any.
    pub fn errors(&self) -> Option<&FieldErrors> {
        self.details.as_ref()?.errors.as_deref()
    }

    fn has_own_words(&self) -> bool {
        let details = self.details.as_ref();
        details.is_some_and(|details| details.message.is_some() || details.errors.is_some())
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
            .field("cause", &self.source())
            .finish_non_exhaustive()
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let cause = self.details.as_ref()?.cause.as_ref()?;
        Some(&**cause)
    }
}
