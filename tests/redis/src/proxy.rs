use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A TCP proxy in front of a server. It can freeze its connections: both sides stay open, but no
/// byte passes and no FIN is sent, as when a firewall has forgotten a connection.
pub struct Proxy {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Connection>>>,
    accepting: JoinHandle<()>,
}

struct Connection {
    freeze: watch::Sender<bool>,
    is_subscription: Arc<Mutex<bool>>,
}

impl Proxy {
    /// A proxy of a port of this machine.
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let accepted = connections.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (freeze, frozen) = watch::channel(false);
                let is_subscription = Arc::new(Mutex::new(false));
                accepted.lock().unwrap().push(Connection {
                    freeze,
                    is_subscription: is_subscription.clone(),
                });
                tokio::spawn(forward(client, port, frozen, is_subscription));
            }
        });
        Self {
            address,
            connections,
            accepting,
        }
    }

    /// The URL of the server behind the proxy.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// The number of connections that have subscribed, frozen ones included.
    pub fn subscriptions(&self) -> usize {
        let connections = self.connections.lock().unwrap();
        connections
            .iter()
            .filter(|one| one.has_subscribed())
            .count()
    }

    /// Freezes the connections that have subscribed.
    pub fn freeze_subscriptions(&self) {
        for connection in &*self.connections.lock().unwrap() {
            if connection.has_subscribed() {
                connection.freeze.send_replace(true);
            }
        }
    }

    /// Freezes all connections. Later ones pass.
    pub fn freeze_all(&self) {
        for connection in &*self.connections.lock().unwrap() {
            connection.freeze.send_replace(true);
        }
    }
}

impl Connection {
    fn has_subscribed(&self) -> bool {
        *self.is_subscription.lock().unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Copies both ways until the connection is frozen or closed.
async fn forward(
    mut client: TcpStream,
    port: u16,
    mut frozen: watch::Receiver<bool>,
    is_subscription: Arc<Mutex<bool>>,
) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let (mut up, mut down) = ([0; 16 * 1024], [0; 16 * 1024]);
    loop {
        tokio::select! {
            biased;
            () = is_set(&mut frozen) => break,
            read = client.read(&mut up) => {
                let Some(bytes) = read.ok().and_then(|len| up.get(..len)) else { return };
                if bytes.is_empty() {
                    return;
                }
                // One read has the whole command: it is short, and it is sent at once.
                *is_subscription.lock().unwrap() |= contains(bytes, b"SUBSCRIBE");
                if server.write_all(bytes).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Some(bytes) = read.ok().and_then(|len| down.get(..len)) else { return };
                if bytes.is_empty() || client.write_all(bytes).await.is_err() {
                    return;
                }
            }
        }
    }
    // The sockets stay open as long as the test runs.
    std::future::pending::<()>().await;
}

async fn is_set(frozen: &mut watch::Receiver<bool>) {
    let _ = frozen.wait_for(|is_frozen| *is_frozen).await;
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}
