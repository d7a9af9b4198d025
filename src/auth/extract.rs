//! The request's subject, as an argument of axum handlers.
//!
//! A request without a subject is rejected as the layers reject it: 401, never 500. A host that
//! authenticates by other means may insert no [`Subject`] for unauthenticated requests, and a
//! preflight may pass without a token. So the client decides whether there is a subject, and an
//! extractor cannot detect a missing layer. A missing layer rejects every request; the cause is in
//! the response's extensions.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::Extensions;
use http::request::Parts;

use super::AuthOutcome;
use crate::identity::{ProfileId, Subject, VerifiedToken};
use crate::rejection::{Rejection, RejectionKind};

/// No layer in front of the handler has inserted a subject.
#[derive(Debug)]
struct NoSubject;

impl fmt::Display for NoSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no layer in front of the handler has inserted a subject")
    }
}

impl Error for NoSubject {}

/// The rejection of a request without a subject: the auth layer's own if it ran in another mode
/// than [`AuthMode::Required`](super::AuthMode::Required).
fn no_subject(extensions: &Extensions) -> Rejection {
    let observed = extensions
        .get::<AuthOutcome>()
        .and_then(AuthOutcome::rejection);
    observed
        .cloned()
        .unwrap_or_else(|| Rejection::new(RejectionKind::MissingCredentials).because(NoSubject))
}

/// The token that the auth layer has verified, or 401.
///
/// Use `Option<VerifiedToken>` behind [`AuthMode::Optional`](super::AuthMode::Optional).
impl<S> FromRequestParts<S> for VerifiedToken
where
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let token = parts.extensions.get::<Self>().cloned();
        token.ok_or_else(|| no_subject(&parts.extensions))
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

/// The request's subject, from its token or the host application, or 401.
impl<S> FromRequestParts<S> for Subject
where
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let subject = Self::from_extensions(&parts.extensions).cloned();
        subject.ok_or_else(|| no_subject(&parts.extensions))
    }
}

impl<S> OptionalFromRequestParts<S> for Subject
where
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(Self::from_extensions(&parts.extensions).cloned())
    }
}

/// The subject's profile id: 404 for an anonymous token, as under `me`, and 401 without a subject.
impl<S> FromRequestParts<S> for ProfileId
where
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        match Subject::from_extensions(&parts.extensions) {
            Some(Subject::Profile(id)) => Ok(id.clone()),
            Some(Subject::Anonymous) => Err(RejectionKind::NoProfile.into()),
            None => Err(no_subject(&parts.extensions)),
        }
    }
}

/// `None` for an anonymous token, and for a request without a subject.
impl<S> OptionalFromRequestParts<S> for ProfileId
where
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        let subject = Subject::from_extensions(&parts.extensions);
        Ok(subject.and_then(Subject::profile).cloned())
    }
}
