//! A listening socket: TCP, or a Unix socket.

use std::fmt::{self, Display, Formatter};
use std::net::{self, SocketAddr};
use std::path::PathBuf;
use std::task::{Context, Poll};
use std::{io, iter};
#[cfg(unix)]
use std::{os::unix, path::Path};

#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

use super::accepted::Accepted;
#[cfg(unix)]
use super::unix_socket::{self, SocketFile};
use crate::config::ListenAddress;

/// Length of the kernel's accept queue. The kernel lowers it to its own limit (`somaxconn`).
const BACKLOG: u32 = 4096;

/// The address on which a socket listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LocalAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Display for LocalAddress {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => Display::fmt(address, f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A listening socket.
pub(crate) enum Listener {
    Tcp(TcpListener),
    /// The file is `None` if another process owns it.
    #[cfg(unix)]
    Unix(
        UnixListener,
        #[allow(dead_code, reason = "removes the file when it is dropped")] Option<SocketFile>,
    ),
}

impl Listener {
    /// Listens on this address.
    pub(crate) async fn bind(address: &ListenAddress) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => bind(address).await.map(Self::Tcp),
            #[cfg(unix)]
            ListenAddress::Unix(path) => {
                let (listener, file) = unix_socket::bind(path, BACKLOG).await?;
                Ok(Self::Unix(listener, Some(file)))
            }
            #[cfg(not(unix))]
            ListenAddress::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The address, with the port that the system has chosen for port 0.
    pub(crate) fn local_address(&self) -> io::Result<LocalAddress> {
        Ok(match self {
            Self::Tcp(listener) => LocalAddress::Tcp(listener.local_addr()?),
            #[cfg(unix)]
            Self::Unix(listener, _) => {
                let address = listener.local_addr()?;
                let path = address.as_pathname().unwrap_or(Path::new(""));
                LocalAddress::Unix(path.to_owned())
            }
        })
    }

    /// Accepts a connection.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(cx).map(|accepted| {
                let (stream, peer) = accepted?;
                Ok(Accepted::tcp(stream.into_std()?, peer))
            }),
            #[cfg(unix)]
            Self::Unix(listener, _) => listener.poll_accept(cx).map(|accepted| {
                let (stream, _) = accepted?;
                Ok(Accepted::unix(stream.into_std()?))
            }),
        }
    }

    /// Closes the listener after the connections that are already in its queue.
    pub(crate) fn accept_queued(self) -> impl Iterator<Item = Accepted> {
        let listener = match self {
            Self::Tcp(listener) => listener.into_std().map(StdListener::Tcp),
            // The file is removed first: later clients get an error at once.
            #[cfg(unix)]
            Self::Unix(listener, _) => listener.into_std().map(StdListener::Unix),
        };
        iter::from_fn(move || {
            let listener = listener.as_ref().ok()?;
            loop {
                match listener.accept() {
                    Ok(accepted) => return Some(accepted),
                    Err(error) if is_connection_error(&error) => {}
                    // The queue is empty (`WouldBlock`), or the process is out of descriptors.
                    Err(_) => return None,
                }
            }
        })
    }
}

/// A listening socket without a runtime.
enum StdListener {
    Tcp(net::TcpListener),
    #[cfg(unix)]
    Unix(unix::net::UnixListener),
}

impl StdListener {
    fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Ok(Accepted::tcp(stream, peer))
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Ok(Accepted::unix(stream))
            }
        }
    }
}

/// Listens on the first address of a name that can be bound.
pub(crate) async fn bind(address: &str) -> io::Result<TcpListener> {
    let mut problem = io::ErrorKind::AddrNotAvailable.into();
    for address in lookup_host(address).await? {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => problem = error,
        }
    }
    Err(problem)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restarted server can bind while connections of the previous process are in TIME_WAIT.
    // (On Windows this option would let two processes listen on one port.)
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Whether an accept error concerns one connection only.
pub(crate) fn is_connection_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
