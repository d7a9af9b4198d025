use std::fmt;
use std::time::Duration;

use ::redis::aio::{MultiplexedConnection, PubSub};
use ::redis::{AsyncConnectionConfig, RedisConnectionInfo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::failure::Failure;
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::url::RedisUrl;
use crate::error::ConfigError;

/// How long name resolution, TCP, TLS and the handshake may take together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Opens connections to one server.
pub(super) struct Connector {
    host: String,
    port: u16,
    settings: RedisConnectionInfo,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

/// A connection for commands. Clones share it; with the last one, the connection is closed.
pub(super) struct Connection {
    pub(super) commands: MultiplexedConnection,
    driver: AbortHandle,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Connector {
    pub(super) fn new(url: &str) -> Result<Self, ConfigError> {
        let url = RedisUrl::parse(url)?;
        Ok(Self {
            #[cfg(feature = "tls")]
            tls: match url.is_tls {
                true => Some(Tls::new(&url.host)?),
                false => None,
            },
            host: url.host,
            port: url.port,
            settings: url.settings,
        })
    }

    #[cfg(feature = "tls")]
    pub(super) fn with_root_certificates(mut self, pem: &[u8]) -> Result<Self, ConfigError> {
        let tls = Tls::with_roots(&self.host, pem)?;
        self.tls = self.tls.map(|_| tls);
        Ok(self)
    }

    pub(super) async fn connect(&self) -> Result<Connection, Failure> {
        in_time(async {
            let stream = self.open().await?;
            // `RedisStore` has its own timeout.
            let config = AsyncConnectionConfig::new().set_response_timeout(None);
            let connected =
                MultiplexedConnection::new_with_config(&self.settings, stream, config).await;
            let (commands, driver) = connected.map_err(|error| Failure::from_handshake(&error))?;
            Ok(Connection {
                commands,
                driver: tokio::spawn(driver).abort_handle(),
            })
        })
        .await
    }

    pub(super) async fn subscribe(&self, channel: &str) -> Result<PubSub, Failure> {
        in_time(async {
            let stream = self.open().await?;
            let connected = PubSub::new(&self.settings, stream).await;
            let mut subscription = connected.map_err(|error| Failure::from_handshake(&error))?;
            let subscribed = subscription.subscribe(channel).await;
            subscribed.map_err(|error| Failure::from_command(&error))?;
            Ok(subscription)
        })
        .await
    }

    async fn open(&self) -> Result<Box<dyn Stream>, Failure> {
        let failed = |error| Failure::new("Redis cannot be reached").with_source(error);
        let address = (&*self.host, self.port);
        let tcp = TcpStream::connect(address).await.map_err(failed)?;
        // Without it, a small command may wait for the acknowledgement of the previous one.
        tcp.set_nodelay(true).map_err(failed)?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return match tls.connect(tcp).await {
                Ok(stream) => Ok(Box::new(stream)),
                Err(error) => Err(Failure::new("TLS with Redis failed").with_source(error)),
            };
        }
        Ok(Box::new(tcp))
    }
}

async fn in_time<T>(connecting: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(Failure::new("connecting to Redis took too long")),
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Otherwise the task waits for the response to the last command.
        self.driver.abort();
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Connector");
        debug.field("host", &self.host).field("port", &self.port);
        #[cfg(feature = "tls")]
        debug.field("is_tls", &self.tls.is_some());
        debug.finish_non_exhaustive()
    }
}
