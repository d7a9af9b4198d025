use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Once};
use std::task::{Context, Poll};
#[cfg(feature = "client")]
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::Full;
use tower::Service;

use super::event::{Event, Unreadable};
use super::location::LocationListener;
use super::outcome::WebhookOutcome;
use super::signature::{Secrets, Signature, SignatureError};
use crate::error::{BoxError, ConfigError};
use crate::headers::WireProtocol;
use crate::identity::ProfileId;
use crate::keys::MIN_MAC_SECRET_LEN;
use crate::read::{CollectError, ReadTimeout};
use crate::rejection::{Rejection, RejectionKind, options};
use crate::revocation::Revocations;

/// The service of `POST /hooks/omneo`: ends the tokens of profiles that the tenant announces as
/// deleted or merged, and passes events of locations on.
///
/// See the [module docs](super). Clones share their configuration.
#[derive(Clone)]
pub struct WebhookEndpoint(Arc<Config>);

#[derive(Clone)]
struct Config {
    secrets: Secrets,
    revocations: Option<Revocations>,
    listeners: Vec<Arc<dyn LocationListener>>,
    read_timeout: ReadTimeout,
    /// Each kind of unreadable event is logged once.
    logged: Arc<[Once; Unreadable::COUNT]>,
}

const ALLOWED: &str = "POST";

impl WebhookEndpoint {
    /// The shortest secret, in bytes.
    pub const MIN_SECRET_LEN: usize = MIN_MAC_SECRET_LEN;
    /// The longest body, in bytes. A longer one is rejected with 413.
    pub const MAX_BODY_LEN: usize = 1024 * 1024;

    /// Accepts webhooks that are signed with this secret, as configured in Omneo's console. Use a
    /// random one, such as the output of `openssl rand -hex 32`.
    ///
    /// # Errors
    /// If it has fewer than 16 bytes, or begins or ends with white space.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Ok(Self(Arc::new(Config {
            secrets: Secrets::new(secret.as_ref())?,
            revocations: None,
            listeners: Vec::new(),
            read_timeout: ReadTimeout::default(),
            logged: Arc::new([const { Once::new() }; Unreadable::COUNT]),
        })))
    }

    fn edit(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Accepts webhooks that are signed with this secret too: add the next secret before it
    /// replaces the current one in Omneo's console.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn add_secret(mut self, secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Arc::make_mut(&mut self.0).secrets.add(secret.as_ref())?;
        Ok(self)
    }

    /// Replaces the set in which the tokens of a profile end. Use the set of the verifiers.
    ///
    /// Default is none: events of profiles have no effect.
    /// [`OmneoIdBuilder::webhook`](crate::OmneoIdBuilder::webhook) sets that of the service.
    #[must_use]
    pub fn with_revocations(self, revocations: Revocations) -> Self {
        self.edit(|config| config.revocations = Some(revocations))
    }

    /// Adds a subscriber to the events of locations.
    ///
    /// Default is none: these events have no effect.
    #[must_use]
    pub fn add_location_listener(self, listener: impl LocationListener) -> Self {
        self.edit(|config| config.listeners.push(Arc::new(listener)))
    }

    /// Replaces the total time in which the sender must send its body; 408 after that.
    /// [`Duration::MAX`] disables the limit. Needs the time driver of a tokio runtime.
    ///
    /// Default is unlimited; [`OmneoId`](crate::OmneoId) sets 30 seconds.
    #[cfg(feature = "client")]
    #[cfg_attr(docsrs, doc(cfg(feature = "client")))]
    #[must_use]
    pub fn with_read_timeout(self, timeout: Duration) -> Self {
        self.edit(|config| config.read_timeout = ReadTimeout::new(timeout))
    }

    /// The endpoint as a part of the facade: `timeout` applies if none is set.
    #[cfg(feature = "client")]
    pub(crate) fn for_facade(self, revocations: Revocations, timeout: Duration) -> Self {
        self.edit(|config| {
            config.revocations = Some(revocations);
            config.read_timeout = config.read_timeout.with_default(timeout);
        })
    }
}

impl<B> Service<Request<B>> for WebhookEndpoint
where
    B: http_body::Body<Error: Into<BoxError>> + Send + 'static,
    B::Data: Send,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    // Boxed: webhooks are rare, and the body is awaited.
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    /// Always ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let config = Arc::clone(&self.0);
        let protocol = WireProtocol::from_headers(request.headers());
        Box::pin(async move {
            if request.method() == Method::OPTIONS {
                return Ok(options(ALLOWED));
            }
            Ok(match config.receive(request).await {
                Ok(outcome) => outcome.into_response(),
                Err(rejection) => {
                    log_rejected(&rejection);
                    rejection.into_response(protocol)
                }
            })
        })
    }
}

impl Config {
    /// Authenticates a webhook and applies its event.
    async fn receive<B>(&self, request: Request<B>) -> Result<WebhookOutcome, Rejection>
    where
        B: http_body::Body<Error: Into<BoxError>>,
    {
        if request.method() != Method::POST {
            return Err(Rejection::method_not_allowed(ALLOWED));
        }
        // Before the body is read: most requests that Omneo has not sent are rejected here.
        let signature = Signature::from_headers(request.headers()).map_err(invalid_signature)?;
        if is_too_long(request.headers()) {
            return Err(RejectionKind::PayloadTooLarge.into());
        }
        let (parts, body) = request.into_parts();
        let body = self
            .read_timeout
            .collect(body, WebhookEndpoint::MAX_BODY_LEN);
        let body = body.await.map_err(CollectError::into_request_rejection)?;
        self.secrets
            .verify(&body, &signature)
            .map_err(invalid_signature)?;
        match Event::read(&parts.headers, &body) {
            Ok(Event::ProfilesGone(profiles)) => self.end_tokens(&profiles).await,
            Ok(Event::Location(event)) if !self.listeners.is_empty() => {
                for listener in &self.listeners {
                    listener.location_changed(&event);
                }
                Ok(WebhookOutcome::LocationChanged)
            }
            Ok(Event::Location(_) | Event::Other) => Ok(WebhookOutcome::Ignored),
            Err(unreadable) => {
                self.log_unreadable(unreadable);
                Ok(WebhookOutcome::Unreadable)
            }
        }
    }

    async fn end_tokens(&self, profiles: &[ProfileId]) -> Result<WebhookOutcome, Rejection> {
        let Some(revocations) = &self.revocations else {
            return Ok(WebhookOutcome::Ignored);
        };
        for profile in profiles {
            // The sender repeats the event after a 503; a profile may then end twice.
            revocations.revoke_profile(profile).await?;
        }
        Ok(WebhookOutcome::TokensEnded)
    }

    fn log_unreadable(&self, unreadable: Unreadable) {
        #[cfg(feature = "tracing")]
        if let Some(once) = self.logged.get(unreadable as usize) {
            once.call_once(|| {
                tracing::warn!(
                    cause = unreadable.message(),
                    "a webhook cannot be read: it has no effect, and further ones like it are not \
                     logged",
                );
            });
        }
        #[cfg(not(feature = "tracing"))]
        let _ = (unreadable.message(), &self.logged);
    }
}

fn invalid_signature(error: SignatureError) -> Rejection {
    Rejection::new(RejectionKind::InvalidSignature).because(error)
}

/// Whether the declared length is over the limit. Such a body is not read.
fn is_too_long(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    length.is_some_and(|length: u64| length > WebhookEndpoint::MAX_BODY_LEN as u64)
}

/// Logs the code and the cause; neither contains data of the request.
fn log_rejected(rejection: &Rejection) {
    #[cfg(feature = "tracing")]
    tracing::debug!(
        error.type = rejection.kind().code(),
        cause = std::error::Error::source(rejection).map(tracing::field::display),
        "a webhook was rejected",
    );
    #[cfg(not(feature = "tracing"))]
    let _ = rejection;
}

impl fmt::Debug for WebhookEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookEndpoint")
            .field("secrets", &self.0.secrets)
            .field("revocations", &self.0.revocations)
            .field("listeners", &self.0.listeners.len())
            .finish_non_exhaustive()
    }
}
