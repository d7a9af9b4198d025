//! All listening sockets, served by one accept loop.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::sleep;
use tracing::{debug, warn};

use super::accepted::Accepted;
use super::listener::{Listener, LocalAddress, is_connection_error};
use crate::config::ListenAddress;

/// Pause after an accept error such as EMFILE: an immediate retry would fail again and use a
/// whole core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listening sockets of the server.
pub(crate) struct Listeners {
    listeners: Vec<Listener>,
    addresses: Vec<LocalAddress>,
    /// The index of the listener that is polled first.
    first: usize,
}

impl Listeners {
    /// Listens on these addresses, in addition to the listeners of the service manager. The latter
    /// replace the default address.
    pub(crate) async fn bind(
        inherited: Vec<Listener>,
        addresses: &[ListenAddress],
    ) -> Result<Self, ListenError> {
        let addresses = match addresses {
            [address] if address.is_default() && !inherited.is_empty() => &[],
            addresses => addresses,
        };
        let mut listeners = inherited;
        for address in addresses {
            let listener = Listener::bind(address).await;
            listeners.push(listener.map_err(|error| ListenError::new(address, error))?);
        }
        let addresses = listeners.iter().map(Listener::local_address);
        let addresses = addresses.filter_map(Result::ok).collect();
        Ok(Self {
            listeners,
            addresses,
            first: 0,
        })
    }

    /// The addresses of all listeners, with the ports that the system has chosen.
    pub(crate) fn addresses(&self) -> &[LocalAddress] {
        &self.addresses
    }

    /// Accepts the next connection. An error concerns one connection, or a shortage that may end:
    /// the loop continues after both.
    pub(crate) async fn accept(&mut self) -> Accepted {
        loop {
            match poll_fn(|cx| self.poll_accept(cx)).await {
                Ok(accepted) => return accepted,
                Err(error) if is_connection_error(&error) => debug!(%error, "lost a connection"),
                Err(error) => {
                    warn!(%error, "cannot accept connections");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Polls the listeners in turn: a busy one does not delay the others.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let (before, after) = self.listeners.split_at(self.first);
        let mut in_turn = after.iter().chain(before).enumerate();
        let accepted = in_turn.find_map(|(count, listener)| match listener.poll_accept(cx) {
            Poll::Ready(accepted) => Some((count, accepted)),
            Poll::Pending => None,
        });
        let Some((count, accepted)) = accepted else {
            return Poll::Pending;
        };
        self.first = (self.first + count + 1) % self.listeners.len();
        Poll::Ready(accepted)
    }

    /// Closes the listeners after the connections that are already in their queues.
    pub(crate) fn accept_queued(self) -> impl Iterator<Item = Accepted> {
        self.listeners.into_iter().flat_map(Listener::accept_queued)
    }
}

/// An address on which the server cannot listen.
#[derive(Debug)]
pub(crate) struct ListenError {
    address: ListenAddress,
    source: io::Error,
}

impl ListenError {
    fn new(address: &ListenAddress, source: io::Error) -> Self {
        Self {
            address: address.clone(),
            source,
        }
    }
}

impl Display for ListenError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.address, self.source)
    }
}

impl Error for ListenError {}
