//! Listeners that a service manager has opened: systemd's socket activation (`LISTEN_FDS`).

use std::io;

use super::listener::Listener;

/// Takes the listeners that the environment names. Each must be a TCP or a Unix stream socket.
///
/// # Errors
/// If a descriptor is another kind of file.
#[cfg(unix)]
pub(crate) fn take_listeners() -> io::Result<Vec<Listener>> {
    use listenfd::ListenFd;
    use tokio::net::{TcpListener, UnixListener};

    let mut sockets = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..sockets.len() {
        if let Ok(Some(listener)) = sockets.take_tcp_listener(index) {
            listener.set_nonblocking(true)?;
            listeners.push(Listener::Tcp(TcpListener::from_std(listener)?));
        } else if let Some(listener) = sockets.take_unix_listener(index)? {
            listener.set_nonblocking(true)?;
            let listener = UnixListener::from_std(listener)?;
            // The service manager owns the file.
            listeners.push(Listener::Unix(listener, None));
        }
    }
    Ok(listeners)
}

/// This system does not have socket activation.
#[cfg(not(unix))]
pub(crate) fn take_listeners() -> io::Result<Vec<Listener>> {
    Ok(Vec::new())
}
