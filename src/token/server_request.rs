//! The requests of servers, which authenticate with an API token.

use bytes::Bytes;
use http::{Method, Request};

use super::api_token::ApiTokenCheck;
use super::lookup::Caller;
use crate::error::BoxError;
use crate::headers::is_unencoded;
use crate::read::{CollectError, ReadTimeout};
use crate::rejection::{Rejection, RejectionKind};
use crate::tenant::ApiToken;

/// The method of the endpoints for servers.
pub(super) const ALLOWED: &str = "POST";
/// An id, a handle and a `jti` have at most 255 bytes each; the rest allows for escapes and unknown
/// members.
const MAX_REQUEST_LEN: usize = 16 * 1024;

/// A request whose credential was checked as far as possible without the tenant, with its body.
pub(super) struct ServerRequest {
    /// The caller's API token, unless it was checked here.
    pub(super) call_as: Option<ApiToken>,
    pub(super) body: Bytes,
    pub(super) caller: Caller,
}

impl ServerRequest {
    /// Checks the credential first, then reads the body.
    pub(super) async fn read<B>(
        request: Request<B>,
        check: &ApiTokenCheck,
        timeout: ReadTimeout,
    ) -> Result<Self, Rejection>
    where
        B: http_body::Body<Error: Into<BoxError>>,
    {
        if request.method() != Method::POST {
            return Err(Rejection::method_not_allowed(ALLOWED));
        }
        let call_as = check.authenticate(request.headers())?;
        if !is_unencoded(request.headers()) {
            return Err(RejectionKind::UnsupportedMediaType.into());
        }
        let (parts, body) = request.into_parts();
        let body = timeout.collect(body, MAX_REQUEST_LEN).await;
        Ok(Self {
            call_as,
            body: body.map_err(CollectError::into_request_rejection)?,
            caller: Caller {
                headers: parts.headers,
                extensions: parts.extensions,
            },
        })
    }
}
