use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::proxy::matcher::Matcher;
use tokio::time::timeout;
use tower::Service;

use super::tunnel::{self, TunnelError};
use super::{ConnectTimeout, Proxy};
use crate::error::{BoxError, ConfigError};

/// The connector of [`HttpClient`](super::HttpClient) by default: TCP, and TLS by rustls with the
/// bundled Mozilla root certificates and those of
/// [`add_root_certificates`](super::HttpClientBuilder::add_root_certificates).
#[cfg(feature = "tls")]
pub type DefaultConnector = hyper_rustls::HttpsConnector<TcpConnector>;

/// The connector of [`HttpClient`](super::HttpClient) by default: TCP.
#[cfg(not(feature = "tls"))]
pub type DefaultConnector = TcpConnector;

#[cfg(not(feature = "tls"))]
pub(super) fn default_connector(tcp: TcpConnector) -> Result<DefaultConnector, ConfigError> {
    Ok(tcp)
}

/// Trusts the bundled Mozilla root certificates and `added_roots`.
#[cfg(feature = "tls")]
pub(super) fn default_connector(
    tcp: TcpConnector,
    added_roots: rustls::RootCertStore,
) -> Result<DefaultConnector, ConfigError> {
    use crate::tls;

    let mut roots = tls::mozilla_roots();
    roots.extend(added_roots.roots);
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls::client_config(roots)?)
        .https_or_http();
    Ok(if tcp.http2_only {
        https.enable_http2().wrap_connector(tcp)
    } else {
        https.enable_all_versions().wrap_connector(tcp)
    })
}

/// Opens a TCP connection to an origin, or a tunnel through a [`Proxy`].
#[derive(Clone, Debug)]
pub struct TcpConnector {
    tcp: HttpConnector,
    proxies: Arc<Matcher>,
    http2_only: bool,
}

impl TcpConnector {
    pub(super) fn new(connect_timeout: Duration, proxy: &Proxy, http2_only: bool) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        // hyper-util divides it among the addresses of a name, so that an unreachable address
        // leaves time for the next one. `TimeoutConnector` bounds the total.
        tcp.set_connect_timeout(Some(connect_timeout));
        // `https` is the scheme of the TLS connector around this one.
        tcp.enforce_http(!cfg!(feature = "tls"));
        Self {
            tcp,
            proxies: Arc::new(proxy.matcher()),
            http2_only,
        }
    }

    async fn connect(mut self, target: Uri) -> Result<TcpIo, BoxError> {
        let is_http = target.scheme() == Some(&Scheme::HTTP);
        // Without TLS, the connector of TCP refuses `https`.
        let proxy = match is_http || cfg!(feature = "tls") {
            true => self.proxies.intercept(&target),
            false => None,
        };
        let Some(proxy) = proxy else {
            return self.tcp.call(target).await.map_err(Into::into);
        };
        // The server could send its SETTINGS together with the response of the proxy.
        if is_http && self.http2_only {
            return Err(TunnelError::Http2WithoutTls.into());
        }
        let port = target.port_u16().unwrap_or(if is_http { 80 } else { 443 });
        let target = format!("{}:{port}", target.host().unwrap_or_default());
        let io = self.tcp.call(proxy.uri().clone()).await;
        let io = io.map_err(|error| TunnelError::Unreachable(error.into()))?;
        Ok(tunnel::open(io, &target, proxy.basic_auth()).await?)
    }
}

type TcpIo = <HttpConnector as Service<Uri>>::Response;

impl Service<Uri> for TcpConnector {
    type Response = TcpIo;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<TcpIo, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        // A clone of `HttpConnector` is ready, too: name resolution has no limit.
        Box::pin(self.clone().connect(target))
    }
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
