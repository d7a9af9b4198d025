//! Who is asking, as arguments of axum's handlers.
//!
//! Nobody found is answered as the layers answer it: 401, never a 500. A host that authenticates by
//! itself inserts no [`Subject`] for strangers, and a preflight may be let through without a token,
//! so what a client sends decides whether there is one, and a missing layer looks just the same
//! from here. It shuts everybody out, and says so in the response's extensions.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::Extensions;
use http::request::Parts;

use super::AuthOutcome;
use crate::headers::WireProtocol;
use crate::identity::{ProfileId, Subject, VerifiedToken};
use crate::rejection::{Rejection, RejectionKind};

/// Nobody in front of the handler said who is asking.
#[derive(Debug)]
struct Unknown;

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no layer in front of the handler said who is asking")
    }
}

impl Error for Unknown {}

/// How a request without a subject is refused: as the auth layer would have done, had it been told
/// to.
fn unknown(extensions: &Extensions) -> Rejection {
    let refused = extensions
        .get::<AuthOutcome>()
        .and_then(AuthOutcome::rejection);
    refused
        .cloned()
        .unwrap_or_else(|| Rejection::new(RejectionKind::MissingCredentials).because(Unknown))
}

/// The token that the auth layer has verified, or 401.
///
/// `Option<VerifiedToken>` is for handlers behind a layer that lets strangers pass.
impl<S> FromRequestParts<S> for VerifiedToken
where
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let token = parts.extensions.get::<Self>().cloned();
        token.ok_or_else(|| unknown(&parts.extensions))
    }
}

impl<S> OptionalFromRequestParts<S> for VerifiedToken
where
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

/// Whom the request speaks for, by its token or by the host application, or 401.
impl<S> FromRequestParts<S> for Subject
where
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let subject = Self::of(&parts.extensions).cloned();
        subject.ok_or_else(|| unknown(&parts.extensions))
    }
}

impl<S> OptionalFromRequestParts<S> for Subject
where
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(Self::of(&parts.extensions).cloned())
    }
}

/// The profile that the request speaks for: 404 for an anonymous token, as `me` has it, and 401
/// without any.
impl<S> FromRequestParts<S> for ProfileId
where
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        match Subject::of(&parts.extensions) {
            Some(Subject::Profile(id)) => Ok(id.clone()),
            Some(Subject::Anonymous) => Err(RejectionKind::NoProfile.into()),
            None => Err(unknown(&parts.extensions)),
        }
    }
}

/// `None` for anonymous tokens, too.
impl<S> OptionalFromRequestParts<S> for ProfileId
where
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        let subject = Subject::of(&parts.extensions);
        Ok(subject.and_then(Subject::profile).cloned())
    }
}

/// The answer of its table, in HTTP: axum asks without the request, so gRPC callers are not known.
impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.into_response(WireProtocol::Http).into_response()
    }
}
