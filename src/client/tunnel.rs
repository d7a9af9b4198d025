use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;

use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};

use crate::error::BoxError;

/// Opens a tunnel to `host:port` through a proxy (RFC 9110 §9.3.6), on a connection to the proxy.
///
/// # Errors
/// If the proxy refuses it, or does not respond in HTTP/1.1.
pub(super) async fn open<T>(
    io: T,
    target: &str,
    authorization: Option<&HeaderValue>,
) -> Result<T, TunnelError>
where
    T: Read + Write + Unpin,
{
    let (mut sender, mut connection) = http1::handshake(io).await?;
    let mut response = pin!(sender.send_request(connect_request(target, authorization)?));
    let status = poll_fn(|cx| {
        // An error or the end of the connection is an error of the response, too.
        let _ = connection.poll_without_shutdown(cx);
        response.as_mut().poll(cx)
    })
    .await?
    .status();
    if !status.is_success() {
        return Err(TunnelError::Refused(status));
    }
    // hyper has stopped at the end of the response: the rest belongs to the tunnel.
    let parts = connection.into_parts();
    match parts.read_buf.is_empty() {
        true => Ok(parts.io),
        false => Err(TunnelError::EarlyData),
    }
}

fn connect_request(
    target: &str,
    authorization: Option<&HeaderValue>,
) -> Result<Request<Empty<Bytes>>, http::Error> {
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .header(HOST, target);
    if let Some(authorization) = authorization {
        request = request.header(PROXY_AUTHORIZATION, authorization);
    }
    request.uri(target).body(Empty::new())
}

/// No tunnel was opened.
#[derive(Debug)]
pub(super) enum TunnelError {
    /// The proxy could not be reached.
    Unreachable(BoxError),
    Refused(StatusCode),
    /// The proxy has not responded in HTTP/1.1, or has closed the connection.
    Response(hyper::Error),
    EarlyData,
    /// The host of the target is not valid.
    Target(http::Error),
    Http2WithoutTls,
}

impl From<hyper::Error> for TunnelError {
    fn from(error: hyper::Error) -> Self {
        Self::Response(error)
    }
}

impl From<http::Error> for TunnelError {
    fn from(error: http::Error) -> Self {
        Self::Target(error)
    }
}

impl fmt::Display for TunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(_) => f.write_str("the proxy cannot be reached"),
            Self::Refused(status) => write!(f, "the proxy refused the tunnel: {status}"),
            Self::Response(_) => f.write_str("the proxy has sent no valid response"),
            Self::EarlyData => f.write_str("the proxy sent data before the first request"),
            Self::Target(_) => f.write_str("the host is invalid in a CONNECT target"),
            Self::Http2WithoutTls => {
                f.write_str("`http2_only` without TLS is not supported through a proxy")
            }
        }
    }
}

impl Error for TunnelError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable(error) => Some(&**error),
            Self::Response(error) => Some(error),
            Self::Target(error) => Some(error),
            Self::Refused(_) | Self::EarlyData | Self::Http2WithoutTls => None,
        }
    }
}
