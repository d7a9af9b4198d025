//! The tenant's answers, judged.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;
use serde::de::IgnoredAny;

use crate::error::BoxError;
use crate::headers::retry_after;
use crate::read::{CollectError, collect};
use crate::rejection::{Rejection, RejectionKind};
use crate::tenant::without_bom;

/// Bytes of an answer that are read: a page of a hundred large profiles.
const LIMIT: usize = 8 * 1024 * 1024;

/// What the tenant said, read to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Answer {
    /// Reads a response, unless it is a failure whatever was asked.
    ///
    /// A rejection that an inner layer left in the extensions is returned as it is.
    pub(super) async fn read<B>(response: Response<B>) -> Result<Self, Rejection>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        if let Some(rejection) = response.extensions().get::<Rejection>() {
            return Err(rejection.clone());
        }
        let status = response.status();
        if let Some(fault) = fault(status, response.headers()) {
            return Err(fault);
        }
        let body = collect(response.into_body(), LIMIT).await;
        let body = body.map_err(CollectError::into_tenant_rejection)?;
        let body = body.slice_ref(without_bom(&body));
        Ok(Self { status, body })
    }

    /// The rejection for an answer with a status that the request cannot have.
    pub(super) fn unusable(&self) -> Rejection {
        Rejection::new(RejectionKind::TenantAnswer).because(UnexpectedStatus(self.status))
    }

    /// Whether the tenant has stored the write: any 2xx, without content or with JSON. A page of
    /// HTML with a 2xx is a portal's or a firewall's.
    pub(super) fn is_stored(&self) -> bool {
        let is_json = || serde_json::from_slice::<IgnoredAny>(&self.body).is_ok();
        self.status.is_success() && (self.body.trim_ascii().is_empty() || is_json())
    }
}

/// The tenant's status where another was expected. For the operator.
#[derive(Debug)]
struct UnexpectedStatus(StatusCode);

impl fmt::Display for UnexpectedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the tenant answered {} to a sign-up", self.0)
    }
}

impl std::error::Error for UnexpectedStatus {}

/// A failure that has nothing to do with what was asked. Pure.
fn fault(status: StatusCode, headers: &HeaderMap) -> Option<Rejection> {
    let kind = match status {
        // The credential is ours, so it is not the client's to mend.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => RejectionKind::TenantCredentials,
        StatusCode::TOO_MANY_REQUESTS => RejectionKind::TooManyRequests,
        StatusCode::SERVICE_UNAVAILABLE => RejectionKind::TenantBusy,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => RejectionKind::TenantTimeout,
        status if status.is_server_error() => RejectionKind::TenantFailed,
        _ => return None,
    };
    let rejection = Rejection::new(kind);
    let may_wait = matches!(
        kind,
        RejectionKind::TooManyRequests | RejectionKind::TenantBusy
    );
    Some(match retry_after(headers).filter(|_| may_wait) {
        Some(after) => rejection.with_retry_after(after),
        None => rejection,
    })
}
