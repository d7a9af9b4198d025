//! The tenant's responses: read in full, with failures turned into rejections.

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::Body;
use serde::de::IgnoredAny;

use crate::error::BoxError;
use crate::read::{CollectError, collect, without_bom};
use crate::rejection::{Rejection, RejectionKind, TenantStatusRules};

/// Bytes of a response body that are read: room for a page of 50 large profiles (`PAGE_SIZE` in
/// `lookup.rs`).
const MAX_BODY: usize = 8 * 1024 * 1024;

/// A response of the tenant with its complete body.
pub(super) struct TenantResponse {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl TenantResponse {
    /// Reads the body of a response.
    ///
    /// # Errors
    /// The rejection of an inner layer, from the extensions; or a rejection for a status that is a
    /// failure of every request, such as 503.
    pub(super) async fn read<B>(response: Response<B>) -> Result<Self, Rejection>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        if let Some(rejection) = response.extensions().get::<Rejection>() {
            return Err(rejection.clone());
        }
        let status = response.status();
        if let Some(rejection) = TenantStatusRules::SIGN_UP.rejection(status, response.headers()) {
            return Err(rejection);
        }
        let body = collect(response.into_body(), MAX_BODY).await;
        let body = body.map_err(CollectError::into_tenant_rejection)?;
        let body = body.slice_ref(without_bom(&body));
        Ok(Self { status, body })
    }

    /// The rejection for a status that is unexpected for the request.
    pub(super) fn unexpected_status(&self) -> Rejection {
        Rejection::new(RejectionKind::TenantAnswer).because_text(format!(
            "the tenant responded to a sign-up with {}",
            self.status
        ))
    }

    /// Whether the tenant has stored a write: any 2xx, with JSON or without content. HTML with a
    /// 2xx comes from a captive portal or a firewall.
    pub(super) fn is_stored(&self) -> bool {
        self.status.is_success()
            && (self.body.trim_ascii().is_empty()
                || serde_json::from_slice::<IgnoredAny>(&self.body).is_ok())
    }
}
