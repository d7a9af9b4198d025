//! Webhooks as a tenant signs them.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use super::service::Sandbox;
use crate::error::{ConfigError, ConfigErrorKind};
use crate::keys::hmac_sha256;

impl Sandbox {
    /// The secret of [`webhook`](Self::webhook).
    pub const WEBHOOK_SECRET: &'static str = "sandbox-webhook-secret";

    /// A webhook as the tenant sends it to `/hooks/omneo`, signed with
    /// [`WEBHOOK_SECRET`](Self::WEBHOOK_SECRET).
    ///
    /// ```
    /// use omneo_id::sandbox::Sandbox;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let request = Sandbox::webhook("profile.deleted", r#"{"id":"3f0c2f6e"}"#)?;
    /// assert_eq!(request.uri(), "/hooks/omneo");
    /// assert_eq!(request.headers()["x-omneo-event"], "profile.deleted");
    /// assert_eq!(request.headers()["x-omneo-hmac-sha256"].len(), 64);
    /// # }
    /// # Ok::<(), omneo_id::error::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If `event` is not the value of a header, or the crate has no signature backend.
    pub fn webhook(
        event: &str,
        body: impl Into<Bytes>,
    ) -> Result<Request<Full<Bytes>>, ConfigError> {
        let body = body.into();
        let mac = hmac_sha256(Self::WEBHOOK_SECRET.as_bytes(), &body).ok_or_else(|| {
            ConfigError::new(
                ConfigErrorKind::NoSignatureBackend,
                "a webhook is signed with the feature `aws-lc-rs` or `rust-crypto`",
            )
        })?;
        let digits: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
        Request::post("/hooks/omneo")
            .header("content-type", "application/json")
            .header("x-omneo-event", event)
            .header("x-omneo-hmac-sha256", digits)
            .body(Full::new(body))
            .map_err(|error| {
                let text = "the event is not the value of a header";
                ConfigError::new(ConfigErrorKind::InvalidValue, text).with_source(error)
            })
    }
}
