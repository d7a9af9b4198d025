//! An accepted connection on its way from the accept loop to a worker thread.

use std::io;
use std::net::{self, IpAddr, SocketAddr};
#[cfg(unix)]
use std::{net::Ipv4Addr, os::unix};

use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::tls::Tls;
use super::transport::Transport;

/// An accepted connection, without a runtime.
pub(crate) struct Accepted {
    stream: AcceptedStream,
    peer: IpAddr,
}

enum AcceptedStream {
    Tcp(net::TcpStream),
    #[cfg(unix)]
    Unix(unix::net::UnixStream),
}

impl Accepted {
    /// The stream must be non-blocking.
    pub(crate) fn tcp(stream: net::TcpStream, peer: SocketAddr) -> Self {
        Self {
            stream: AcceptedStream::Tcp(stream),
            peer: peer.ip().to_canonical(),
        }
    }

    /// The stream must be non-blocking. The peer runs on this machine and gets the address of the
    /// loopback interface, as it has no other.
    #[cfg(unix)]
    pub(crate) fn unix(stream: unix::net::UnixStream) -> Self {
        Self {
            stream: AcceptedStream::Unix(stream),
            peer: Ipv4Addr::LOCALHOST.into(),
        }
    }

    /// The address of the peer.
    pub(crate) fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Registers the stream with the runtime of the current thread. TCP connections use TLS if it
    /// is configured.
    pub(crate) fn into_transport(self, tls: Option<&Tls>) -> io::Result<Transport> {
        match self.stream {
            AcceptedStream::Tcp(stream) => {
                let stream = TcpStream::from_std(stream)?;
                // Responses are small: Nagle's algorithm would delay them.
                let _ = stream.set_nodelay(true);
                Ok(match tls {
                    None => Transport::Tcp(stream),
                    Some(tls) => Transport::handshake(stream, tls),
                })
            }
            #[cfg(unix)]
            AcceptedStream::Unix(stream) => UnixStream::from_std(stream).map(Transport::Unix),
        }
    }
}
