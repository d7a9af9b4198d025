//! The listening socket: bind, accept, and accept the rest of the queue before it closes.

use std::io;
use std::net::{self, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, lookup_host};
use tokio::time::sleep;
use tracing::{debug, warn};

/// Length of the kernel's accept queue. The kernel lowers it to its own limit (`somaxconn`).
const BACKLOG: u32 = 4096;
/// Pause after an accept error such as EMFILE: an immediate retry would fail again and use a
/// whole core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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

/// Accepts the next connection. An error concerns one connection, or a shortage that may end: the
/// loop continues after both.
pub(crate) async fn accept(listener: &TcpListener) -> (net::TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match stream.into_std() {
                Ok(stream) => return (stream, peer),
                Err(error) => debug!(%error, "lost a connection"),
            },
            Err(error) if is_connection_error(&error) => debug!(%error, "lost a connection"),
            Err(error) => {
                warn!(%error, "cannot accept connections");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Closes the listener after the connections that are already in its queue.
pub(crate) fn accept_queued(
    listener: TcpListener,
) -> impl Iterator<Item = (net::TcpStream, SocketAddr)> {
    let listener = listener.into_std().ok();
    std::iter::from_fn(move || {
        let listener = listener.as_ref()?;
        loop {
            match listener.accept() {
                Ok((stream, peer)) if stream.set_nonblocking(true).is_ok() => {
                    return Some((stream, peer));
                }
                Ok(_) => {}
                Err(error) if is_connection_error(&error) => {}
                // The queue is empty (`WouldBlock`), or the process is out of descriptors.
                Err(_) => return None,
            }
        }
    })
}

/// Whether an accept error concerns one connection only.
fn is_connection_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
