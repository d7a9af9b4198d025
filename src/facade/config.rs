use std::time::Duration;

use bytes::Buf;
use http::Request;
use http_body::Body as HttpBody;

use super::deleted_profile::Deletions;
use crate::auth::{JwtAuthLayer, TokenVerifier, VerifyErrorKind};
use crate::body::{Body, IdleTimeout};
use crate::error::BoxError;
use crate::headers::Bearer;
use crate::identity::{ProfileId, VerifiedToken};
use crate::me::RestrictedMeLayer;
use crate::path::AccessPolicy;
use crate::rejection::{Rejection, RejectionKind};
use crate::report::Route;
use crate::revocation::Revocations;
use crate::tenant::ApiToken;
use crate::token::{JwksEndpoint, RefreshEndpoint, RevokeEndpoint, TokenEndpoint};
use crate::upsert::CommsUpsertLayer;
use crate::webhook::WebhookEndpoint;

/// The configuration that all clones of a service share.
pub(super) struct Config {
    pub(super) mount: Box<str>,
    pub(super) auth: JwtAuthLayer,
    pub(super) verifier: TokenVerifier,
    pub(super) revocations: Revocations,
    /// `None` if every method is permitted on every path of `me`.
    pub(super) me: Option<RestrictedMeLayer>,
    pub(super) deletions: Deletions,
    pub(super) upsert: CommsUpsertLayer,
    pub(super) token: TokenEndpoint<()>,
    pub(super) revoke: RevokeEndpoint<()>,
    /// `None`: the route is off.
    pub(super) refresh: Option<RefreshEndpoint<()>>,
    pub(super) jwks: JwksEndpoint,
    /// `None`: the route is off.
    pub(super) webhook: Option<WebhookEndpoint>,
    /// The API tokens that authorize a sign-up without an ID token.
    pub(super) trusted_tokens: Vec<ApiToken>,
    /// The idle timeout of request bodies that are read here.
    pub(super) body_idle_timeout: Duration,
}

impl Config {
    /// A route that is off is rejected like a path without a route.
    pub(super) fn check_served(&self, route: Route) -> Result<Route, Rejection> {
        let is_served = match route {
            Route::Refresh => self.refresh.is_some(),
            Route::Jwks => self.jwks.has_public_keys(),
            Route::Webhook => self.webhook.is_some(),
            _ => true,
        };
        match is_served {
            true => Ok(route),
            false => Err(RejectionKind::NotFound.into()),
        }
    }

    pub(super) fn access(&self) -> Option<&AccessPolicy> {
        self.me.as_ref().map(RestrictedMeLayer::access)
    }

    /// Whether the request carries an API token that authorizes a sign-up.
    pub(super) fn has_trusted_token<B>(&self, request: &Request<B>) -> bool {
        let Ok(Some(bearer)) = Bearer::unvalidated(request.headers()) else {
            return false;
        };
        // Compares all tokens, so that the duration does not reveal which one matched.
        self.trusted_tokens
            .iter()
            .fold(false, |found, token| token.matches_bytes(bearer) | found)
    }

    /// Whether the request carries an ID token that is valid or was ended. An ID token cannot mint
    /// or end others, so the tenant need not be called to reject it.
    pub(super) fn has_id_token<B>(&self, request: &Request<B>) -> bool {
        let Ok(Some(bearer)) = Bearer::from_headers(request.headers()) else {
            return false;
        };
        match self.verifier.verify(bearer.as_str()) {
            Ok(_) => true,
            Err(error) => matches!(
                error.kind(),
                VerifyErrorKind::Revoked | VerifyErrorKind::Filtered
            ),
        }
    }

    /// The profile that a success of this request deletes, if any. The auth layer verifies the
    /// token again; it is cached.
    pub(super) fn deleted_profile<B>(&self, request: &Request<B>) -> Option<ProfileId> {
        if !self.deletions.matches(request) {
            return None;
        }
        let bearer = Bearer::from_headers(request.headers()).ok()??;
        let token: VerifiedToken = self.verifier.verify(bearer.as_str()).ok()?;
        token.subject().profile().cloned()
    }

    /// Adds an idle timeout to a request body that is read here. The forwarding service has its
    /// own for bodies that it streams.
    pub(super) fn with_idle_timeout<B>(&self, request: Request<B>) -> Request<Body>
    where
        B: HttpBody<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        request.map(|body| Body::new(IdleTimeout::new(body, self.body_idle_timeout)))
    }
}
