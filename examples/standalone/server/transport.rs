//! The stream of a connection: TCP, TLS over TCP, or a Unix socket.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_rustls::Accept;
use tokio_rustls::server::TlsStream;

use super::protocol_detection::Protocol;
use super::tls::{ALPN_HTTP2, Tls};

/// Limit for response bytes that are encrypted and not sent, per connection: two TLS records.
const TLS_BUFFER: usize = 32 * 1024;

/// The stream of a connection. Its variants are dispatched without a `dyn` call, and only TLS has
/// a box.
pub(crate) enum Transport {
    Tcp(TcpStream),
    /// A TLS handshake. The first read continues it, so that the timer of the connection covers it.
    Handshake(Box<Accept<TcpStream>>),
    Tls(Box<TlsStream<TcpStream>>),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Transport {
    /// A TLS handshake with the certificate of this moment.
    pub(crate) fn handshake(stream: TcpStream, tls: &Tls) -> Self {
        let accept = tls.acceptor().accept_with(stream, |connection| {
            connection.set_buffer_limit(Some(TLS_BUFFER));
        });
        Self::Handshake(Box::new(accept))
    }

    /// Whether the connection uses TLS.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Self::Handshake(_) | Self::Tls(_))
    }

    /// The protocol that ALPN has selected. `None` without TLS or ALPN, and before the handshake.
    pub(crate) fn alpn_protocol(&self) -> Option<Protocol> {
        let Self::Tls(stream) = self else {
            return None;
        };
        match stream.get_ref().1.alpn_protocol()? {
            ALPN_HTTP2 => Some(Protocol::Http2),
            _ => Some(Protocol::Http1),
        }
    }

    /// Sends the close_notify alert of TLS, in one attempt: the send buffer of an idle connection
    /// has space. Without the alert, the client could not distinguish the end from an attack (RFC
    /// 8446 §6.1).
    pub(crate) fn send_close_notify(&mut self) {
        if let Self::Tls(stream) = self {
            let mut cx = Context::from_waker(Waker::noop());
            let _ = Pin::new(stream).poll_shutdown(&mut cx);
        }
    }

    /// Completes the handshake, if there is one.
    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Self::Handshake(accept) = self {
            let stream = ready!(Pin::new(&mut **accept).poll(cx))?;
            *self = Self::Tls(Box::new(stream));
        }
        Poll::Ready(Ok(()))
    }
}

/// Calls a method of the stream inside.
macro_rules! delegate {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match $self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).$method($($argument),*),
            Self::Tls(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).$method($($argument),*),
            Self::Handshake(_) => Poll::Pending,
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_handshake(cx))?;
        delegate!(self.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_handshake(cx))?;
        delegate!(self.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_handshake(cx))?;
        delegate!(self.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_handshake(cx))?;
        delegate!(self.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_handshake(cx))?;
        delegate!(self.poll_shutdown(cx))
    }
}
