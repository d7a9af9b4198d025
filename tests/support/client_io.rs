//! The client's end of a connection that a test's connector returns.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of tokio as a connection of the client, with or without HTTP/2 by ALPN.
pub(crate) struct ClientIo<T> {
    io: TokioIo<T>,
    is_http2: bool,
}

impl<T> ClientIo<T> {
    /// A connection whose protocol was not negotiated.
    pub(crate) fn new(stream: T) -> Self {
        Self {
            io: TokioIo::new(stream),
            is_http2: false,
        }
    }

    /// A connection whose ALPN negotiation chose HTTP/2, or did not.
    pub(crate) fn negotiated(stream: T, is_http2: bool) -> Self {
        Self {
            io: TokioIo::new(stream),
            is_http2,
        }
    }
}

impl<T> Connection for ClientIo<T> {
    fn connected(&self) -> Connected {
        match self.is_http2 {
            true => Connected::new().negotiated_h2(),
            false => Connected::new(),
        }
    }
}

impl<T> Read for ClientIo<T>
where
    T: AsyncRead + Unpin,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<T> Write for ClientIo<T>
where
    T: AsyncWrite + Unpin,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
