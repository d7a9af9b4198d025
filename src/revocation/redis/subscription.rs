use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use ::redis::Value;
use ::redis::aio::{PubSub, PubSubSink, PubSubStream};
use futures_core::Stream;
use tokio::time::timeout;

use super::connection_manager::COMMAND_TIMEOUT;
use super::failure::Failure;

/// A subscription without a message for this time is checked by a `PING`.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// The messages of a channel.
pub(super) struct Subscription {
    sink: PubSubSink,
    stream: PubSubStream,
}

impl Subscription {
    pub(super) fn new(subscription: PubSub) -> Self {
        let (sink, stream) = subscription.split();
        Self { sink, stream }
    }

    /// Waits for the next message.
    ///
    /// A connection that a proxy has dropped without a FIN looks idle. The response to a `PING`
    /// distinguishes the two.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, Failure> {
        loop {
            let message = poll_fn(|cx| Pin::new(&mut self.stream).poll_next(cx));
            match timeout(PING_INTERVAL, message).await {
                Ok(Some(message)) => return Ok(message.get_payload_bytes().to_vec()),
                Ok(None) => return Err(Failure::new("the subscription was closed")),
                Err(_) => self.ping().await?,
            }
        }
    }

    async fn ping(&mut self) -> Result<(), Failure> {
        match timeout(COMMAND_TIMEOUT, self.sink.ping::<Value>()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Failure::from_command(&error)),
            Err(_) => Err(Failure::new("the subscription has not responded in time")),
        }
    }
}
