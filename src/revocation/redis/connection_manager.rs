use std::sync::Arc;
use std::time::Duration;

use ::redis::{FromRedisValue, Pipeline};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::connect::{Connection, Connector};
use super::failure::Failure;

/// How long Redis may take to respond.
pub(super) const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);

/// The one connection for commands, opened when it is needed.
pub(super) struct ConnectionManager {
    pub(super) connector: Connector,
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    connection: Option<Arc<Connection>>,
    /// The end of the last attempt to connect, if it failed.
    failure: Option<(Instant, Failure)>,
}

impl ConnectionManager {
    pub(super) fn new(connector: Connector) -> Self {
        Self {
            connector,
            slot: Mutex::default(),
        }
    }

    /// Sends commands and waits for their responses.
    ///
    /// They are sent again on a new connection if a reused one fails: a proxy may have dropped it,
    /// or the server behind it is now a replica. All commands of the store can be repeated.
    pub(super) async fn query<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Failure> {
        let (connection, is_new) = self.connection(None).await?;
        let failure = match query(&connection, commands).await {
            Ok(response) => return Ok(response),
            Err(failure) => failure,
        };
        if is_new {
            self.discard(&connection).await;
            return Err(failure);
        }
        let (connection, _) = self.connection(Some(&connection)).await?;
        match query(&connection, commands).await {
            Ok(response) => Ok(response),
            Err(failure) => {
                self.discard(&connection).await;
                Err(failure)
            }
        }
    }

    /// The open connection unless it is the failed one, or a new one; and whether it is new.
    async fn connection(
        &self,
        failed: Option<&Arc<Connection>>,
    ) -> Result<(Arc<Connection>, bool), Failure> {
        let start = Instant::now();
        let mut slot = self.slot.lock().await;
        if let Some(connection) = &slot.connection
            && !failed.is_some_and(|failed| Arc::ptr_eq(failed, connection))
        {
            return Ok((connection.clone(), false));
        }
        slot.connection = None;
        // Callers that have waited for an attempt share its failure. If each made another one, the
        // last of many callers would wait for all of them.
        if let Some((end, failure)) = &slot.failure
            && *end > start
        {
            return Err(failure.clone());
        }
        match self.connector.connect().await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                slot.connection = Some(connection.clone());
                Ok((connection, true))
            }
            Err(failure) => {
                slot.failure = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    async fn discard(&self, failed: &Arc<Connection>) {
        let mut slot = self.slot.lock().await;
        slot.connection
            .take_if(|connection| Arc::ptr_eq(failed, connection));
    }
}

async fn query<T: FromRedisValue>(
    connection: &Connection,
    pipeline: &Pipeline,
) -> Result<T, Failure> {
    let mut commands = connection.commands.clone();
    match timeout(COMMAND_TIMEOUT, pipeline.query_async(&mut commands)).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => Err(Failure::from_command(&error)),
        Err(_) => Err(Failure::new("Redis has not responded in time")),
    }
}
