use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::timeout;
use tower::Service;

use super::ConnectTimeout;
use crate::error::{BoxError, ConfigError};

/// The connector of [`HttpClient`](super::HttpClient) by default: TCP, and TLS by rustls with the
/// bundled Mozilla root certificates.
#[cfg(feature = "tls")]
pub type DefaultConnector = hyper_rustls::HttpsConnector<HttpConnector>;

/// The connector of [`HttpClient`](super::HttpClient) by default: TCP.
#[cfg(not(feature = "tls"))]
pub type DefaultConnector = HttpConnector;

fn tcp(connect_timeout: Duration) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    // hyper-util divides it among the addresses of a name, so that an unreachable address leaves
    // time for the next one. `TimeoutConnector` bounds the total.
    tcp.set_connect_timeout(Some(connect_timeout));
    tcp
}

#[cfg(not(feature = "tls"))]
pub(super) fn default_connector(
    connect_timeout: Duration,
) -> Result<DefaultConnector, ConfigError> {
    Ok(tcp(connect_timeout))
}

/// Trusts the bundled Mozilla root certificates and `added_roots`.
#[cfg(feature = "tls")]
pub(super) fn default_connector(
    connect_timeout: Duration,
    http2_only: bool,
    added_roots: rustls::RootCertStore,
) -> Result<DefaultConnector, ConfigError> {
    use crate::tls;

    let mut tcp = tcp(connect_timeout);
    tcp.enforce_http(false);
    let mut roots = tls::mozilla_roots();
    roots.extend(added_roots.roots);
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls::client_config(roots)?)
        .https_or_http();
    Ok(if http2_only {
        https.enable_http2().wrap_connector(tcp)
    } else {
        https.enable_all_versions().wrap_connector(tcp)
    })
}

/// A connector with one timeout for name resolution, TCP and TLS together.
#[derive(Clone)]
pub(super) struct TimeoutConnector<K> {
    connector: K,
    timeout: Duration,
}

impl<K> TimeoutConnector<K> {
    pub(super) fn new(connector: K, timeout: Duration) -> Self {
        Self { connector, timeout }
    }
}

impl<K> Service<Uri> for TimeoutConnector<K>
where
    K: Service<Uri>,
    K::Error: Into<BoxError>,
    K::Future: Send + 'static,
{
    type Response = K::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<K::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connector.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connect_timeout = self.timeout;
        let connecting = self.connector.call(target);
        Box::pin(async move {
            match timeout(connect_timeout, connecting).await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => Err(ConnectTimeout(connect_timeout).into()),
            }
        })
    }
}
