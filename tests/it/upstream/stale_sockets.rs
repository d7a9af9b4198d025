//! Idle connections that the tenant closes or resets, over TCP and over TLS.

use http::Request;
use omneo_id::client::HttpClient;
use omneo_id::upstream::RequestBody;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::in_memory::{Client, OK, erase};
use super::stale::status;
use super::tenants::connections;

/// How a tenant closes an idle connection on which a request arrives.
#[derive(Clone, Copy, Debug)]
enum Close {
    /// In order, after it has read the request.
    Fin,
    /// With unread data, so that the kernel sends a reset.
    Reset,
}

/// Responds to one request, and closes when the next one arrives.
async fn serve_once<S>(mut stream: S, close: Close)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    read_until(&mut stream, b"\r\n\r\n").await;
    stream.write_all(OK).await.unwrap();
    stream.flush().await.unwrap();
    match close {
        Close::Fin => {
            read_until(&mut stream, b"\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
        Close::Reset => read_until(&mut stream, b"G").await,
    }
}

/// Reads up to these bytes, or to the end of the data.
async fn read_until<S: AsyncRead + Unpin>(stream: &mut S, end: &[u8]) {
    let mut read = Vec::new();
    while !read.ends_with(end)
        && let Ok(byte) = stream.read_u8().await
    {
        read.push(byte);
    }
}

/// Sends requests in sequence. The tenant closes the reused connection of each one but the first.
async fn send_in_sequence(client: Client, origin: &str, case: &str) {
    for number in 0..20 {
        let request = Request::get(format!("{origin}/x"));
        let request = request.body(RequestBody::default()).unwrap();
        let status = status(&client, request).await;
        assert_eq!(status, Ok(200), "{case}, {number}");
    }
}

#[tokio::test]
async fn a_closed_or_reset_connection_fails_no_get() {
    for close in [Close::Fin, Close::Reset] {
        let origin = connections(move |stream| serve_once(stream, close)).await;
        let client = HttpClient::new().unwrap();
        send_in_sequence(erase(client), &origin, &format!("{close:?}")).await;
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_closed_or_reset_tls_connection_fails_no_get() {
    use super::tls::{config, connector};

    for close in [Close::Fin, Close::Reset] {
        let acceptor = tokio_rustls::TlsAcceptor::from(config(&["http/1.1"]));
        let origin = connections(move |stream| {
            let accepting = acceptor.accept(stream);
            async move { serve_once(accepting.await.unwrap(), close).await }
        });
        let origin = origin.await.replace("http:", "https:");
        let client = HttpClient::builder().build_with_connector(connector("127.0.0.1"));
        send_in_sequence(erase(client), &origin, &format!("{close:?}")).await;
    }
}
