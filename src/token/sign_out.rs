use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use tower::Service;

use super::events::log_rejected;
use crate::headers::WireProtocol;
use crate::identity::VerifiedToken;
use crate::rejection::{Rejection, RejectionKind, no_content, options};
use crate::revocation::Revocations;

/// The service of `DELETE /auth/token`: ends the ID token of the request, anonymous or not.
///
/// Put it behind [`JwtAuthLayer`](crate::JwtAuthLayer), whose verifier has the same
/// [`Revocations`]: the service ends the [`VerifiedToken`] in the request's extensions, and
/// responds with 204. A request without one is rejected with 401, and so is a repetition, by the
/// auth layer. Requests with the same token that pass the auth layer at the same time all get a
/// 204.
///
/// Other tokens of the profile stay valid, refreshed ones included; to end these, see
/// [`RevokeEndpoint`](super::RevokeEndpoint). An anonymous token without `jti` cannot be ended:
/// 422. If the set is full, the response is a 503 and the token stays valid. If the store of the
/// set fails, it is a 503 too; the token is ended in this process. The request body is not read.
///
/// ```
/// use http::Request;
/// use omneo_id::token::SignOut;
/// use omneo_id::{
///     JwtAuthLayer, Keyring, Revocations, SigningKey, Subject, TokenIssuer, TokenVerifier,
/// };
/// use tower::{Layer, ServiceExt};
///
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let ring = Keyring::new(SigningKey::hs256("a secret of at least 32 bytes, kept secret")?);
/// let revocations = Revocations::new();
/// let verifier = TokenVerifier::new(ring.clone()).with_revocations(revocations.clone());
/// let service = JwtAuthLayer::new(verifier).layer(SignOut::new(revocations));
///
/// let token = TokenIssuer::new(ring).issue(&Subject::Anonymous)?;
/// for expected in [204, 401] {
///     let request = Request::delete("/auth/token")
///         .header("authorization", format!("Bearer {}", token.token()));
///     let response = service.clone().oneshot(request.body(())?).await?;
///     assert_eq!(response.status(), expected);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct SignOut(Revocations);

const ALLOWED: &str = "DELETE";

impl SignOut {
    /// Ends tokens in this set.
    pub fn new(revocations: Revocations) -> Self {
        Self(revocations)
    }
}

impl<B> Service<Request<B>> for SignOut {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    // Boxed: a sign-out is rare.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self(revocations) = self.clone();
        let protocol = WireProtocol::from_headers(request.headers());
        let (parts, _) = request.into_parts();
        Box::pin(async move {
            if parts.method == Method::OPTIONS {
                return Ok(options(ALLOWED));
            }
            let token = parts.extensions.get();
            Ok(match end(&revocations, &parts.method, token).await {
                Ok(()) => no_content(),
                Err(rejection) => {
                    log_rejected(&rejection, "no token was ended");
                    rejection.into_response(protocol)
                }
            })
        })
    }
}

async fn end(
    revocations: &Revocations,
    method: &Method,
    token: Option<&VerifiedToken>,
) -> Result<(), Rejection> {
    if method != Method::DELETE {
        return Err(Rejection::method_not_allowed(ALLOWED));
    }
    let token = token.ok_or(RejectionKind::MissingCredentials)?;
    Ok(revocations.revoke_token(token.claims()).await?)
}

impl fmt::Debug for SignOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SignOut").field(&self.0).finish()
    }
}
