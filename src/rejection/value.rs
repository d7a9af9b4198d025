use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::{FieldErrors, RejectionKind};
use crate::error::BoxError;

/// A response of this crate's own: a rejected request or a failed call of the tenant.
///
/// See the [module docs](super). Clones share the cause.
#[derive(Clone)]
pub struct Rejection {
    kind: RejectionKind,
    // Boxed, so that a `Result` stays small; most rejections have no details.
    details: Option<Box<Details>>,
}

/// The data that one case adds to its kind.
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
    /// A rejection of this kind, without details.
    pub const fn new(kind: RejectionKind) -> Self {
        Self {
            kind,
            details: None,
        }
    }

    /// A method that the path does not support. `allow` is the value of the `Allow` header.
    pub fn method_not_allowed(allow: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RejectionKind::MethodNotAllowed)
            .edit(|details| details.allow = Some(allow.into()))
    }

    /// Invalid fields, in the shape of the tenant's 422.
    pub fn invalid_fields(errors: FieldErrors) -> Self {
        Self::new(RejectionKind::InvalidFields)
            .edit(|details| details.errors = Some(Arc::new(errors)))
    }

    /// Replaces the message that the client receives. It must not contain a secret.
    ///
    /// Default is [`RejectionKind::message`].
    #[must_use]
    pub fn with_message(self, message: impl Into<Cow<'static, str>>) -> Self {
        self.edit(|details| details.message = Some(message.into()))
    }

    /// Replaces the time after which the client may retry: `Retry-After` in whole seconds, rounded
    /// up, or `grpc-retry-pushback-ms` over gRPC.
    ///
    /// Default is to send neither.
    #[must_use]
    pub fn with_retry_after(self, after: Duration) -> Self {
        self.edit(|details| details.retry_after = Some(after))
    }

    /// Replaces the `WWW-Authenticate` challenge of a rejected credential.
    ///
    /// Default is the `Bearer` challenge of [RFC 6750
    /// §3](https://www.rfc-editor.org/rfc/rfc6750#section-3) with the realm `omneo-id`.
    #[must_use]
    pub fn with_challenge(self, challenge: HeaderValue) -> Self {
        self.edit(|details| details.challenge = Some(challenge))
    }

    /// Replaces the cause, which appears in logs and extensions. Clients never receive it.
    ///
    /// Default is to have no cause.
    #[must_use]
    pub fn because(self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.edit(|details| details.cause = Some(Arc::new(cause)))
    }

    /// As [`because`](Self::because), for a cause that is only a text.
    pub(crate) fn because_text(self, cause: impl Into<Cow<'static, str>>) -> Self {
        let cause = BoxError::from(cause.into());
        self.edit(|details| details.cause = Some(Arc::from(cause)))
    }

    fn edit(mut self, change: impl FnOnce(&mut Details)) -> Self {
        change(self.details.get_or_insert_default());
        self
    }

    /// The kind, which decides status, code and message.
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// The message that the client receives.
    pub fn message(&self) -> &str {
        let own = self.details.as_ref().and_then(|details| {
            let first = || details.errors.as_ref().and_then(|errors| errors.first());
            details.message.as_deref().or_else(first)
        });
        own.unwrap_or_else(|| self.kind.message())
    }

    /// The invalid fields, if any.
    pub fn errors(&self) -> Option<&FieldErrors> {
        self.details.as_ref()?.errors.as_deref()
    }

    /// Whether the message or the fields differ from the kind's own.
    pub(super) fn has_own_message(&self) -> bool {
        let details = self.details.as_ref();
        details.is_some_and(|details| details.message.is_some() || details.errors.is_some())
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.details.as_ref()?.retry_after
    }

    pub(super) fn allow(&self) -> Option<&str> {
        self.details.as_ref()?.allow.as_deref()
    }

    pub(super) fn own_challenge(&self) -> Option<&HeaderValue> {
        self.details.as_ref()?.challenge.as_ref()
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
    /// The kind and the cause. Messages and fields are omitted: they may contain client input.
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
