use std::convert::Infallible;
use std::fmt;
use std::str;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::{Pipeline, pipe};
use tokio::time::Instant;

use super::connect::Connector;
use super::connection_manager::ConnectionManager;
use super::failure::Failure;
use super::keys::Keys;
use super::subscription::Subscription;
use crate::clock::{Clock, SystemClock};
use crate::error::ConfigError;
use crate::revocation::{Receiver, Revocation, RevocationStore, StoreFuture};

/// How many revocations are read at once: about 100 KB.
const PAGE: usize = 1000;
/// How many of the latest revocations are kept for readers that have read the earlier ones. A
/// reader that has missed more reads all.
const LOG_LEN: usize = 10_000;
/// Expired revocations are kept for this long, because the clocks of the processes differ.
const CLOCK_DIFFERENCE: u64 = 60;
/// The expiry of the keys, after the last write or refresh. It removes the keys of a tenant that is
/// not served any more. The revocations have expired long before: each has an expiry of its own.
const KEY_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How often a reader renews the expiry of the keys.
const REFRESH_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// A [`RevocationStore`] in Redis 5 or newer, or in Valkey.
///
/// Each revocation is a member of one sorted set, with its expiry as the score, and is published
/// once. [`Revocations::synchronize`](crate::Revocations::synchronize) subscribes, and also reads
/// at intervals, because the connection of a subscription can be lost without a FIN.
///
/// One server, or the primary of a group behind one address: a cluster's redirections are not
/// followed. A command fails after 2 seconds without a response, and is sent once more on a new
/// connection. Configure the server to persist its data (`appendonly yes`) and to evict no keys
/// (`maxmemory-policy noeviction`): a process that is started later cannot read a revocation that
/// the server has lost.
///
/// ```
/// use omneo_id::Revocations;
/// use omneo_id::revocation::RedisStore;
///
/// let store = RedisStore::new("redis://:password@127.0.0.1:6379/0", "acme")?;
/// let revocations = Revocations::new().with_store(store);
/// // Within tokio: tokio::spawn(revocations.synchronize());
/// # drop(revocations.synchronize());
/// # Ok::<(), omneo_id::error::ConfigError>(())
/// ```
pub struct RedisStore {
    connection: ConnectionManager,
    keys: Keys,
    clock: Arc<dyn Clock>,
    progress: Mutex<Progress>,
    /// Whether a member that cannot be read has been logged.
    has_unreadable: AtomicBool,
}

#[derive(Default)]
struct Progress {
    /// The id of the last entry of the log that has been read, with all entries before it.
    last_id: Option<String>,
    refreshed: Option<Instant>,
}

/// The id of an entry of the log, and its fields with their values.
type LogEntry = (String, Vec<Vec<u8>>);

impl RedisStore {
    /// A store at a URL: `redis://[[user]:password@]host[:port][/database]`, or `rediss://` for TLS
    /// with the bundled Mozilla root certificates, which needs the feature `tls`. `tenant` is part
    /// of the keys, so that the processes of one tenant share its revocations and those of
    /// different tenants do not.
    ///
    /// # Errors
    /// If the URL is invalid, also if it has a query or a fragment; or if `tenant` is empty or has
    /// white space. The error does not contain the URL.
    pub fn new(url: &str, tenant: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            connection: ConnectionManager::new(Connector::new(url)?),
            keys: Keys::for_tenant(tenant)?,
            clock: Arc::new(SystemClock),
            progress: Mutex::default(),
            has_unreadable: AtomicBool::new(false),
        })
    }

    /// Replaces the prefix of the keys and of the channel. Permit the user of Redis this prefix
    /// (`~prefix:* &prefix:*`).
    ///
    /// Default is `omneo-id:` and the tenant.
    ///
    /// # Errors
    /// If it is empty or has white space.
    pub fn with_prefix(mut self, prefix: &str) -> Result<Self, ConfigError> {
        self.keys = Keys::new(prefix)?;
        Ok(self)
    }

    /// Trusts these root certificates, in PEM form, instead of the bundled ones. They have no
    /// effect for `redis://`.
    ///
    /// # Errors
    /// If there is none, or one is invalid.
    #[cfg(feature = "tls")]
    pub fn with_root_certificates(mut self, pem: &[u8]) -> Result<Self, ConfigError> {
        let connector = self.connection.connector.with_root_certificates(pem)?;
        self.connection = ConnectionManager::new(connector);
        Ok(self)
    }

    /// Replaces the clock by which revocations expire.
    ///
    /// Default is the [system's](SystemClock).
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    async fn add(&self, revocation: &Revocation) -> Result<(), Failure> {
        let Keys {
            revocations,
            log,
            channel,
            ..
        } = &self.keys;
        let member = revocation.to_string();
        let expired = self.clock.now().saturating_sub(CLOCK_DIFFERENCE);
        let mut transaction = pipe();
        transaction.atomic();
        (transaction.cmd("ZREMRANGEBYSCORE"))
            .arg(&**revocations)
            .arg("-inf")
            .arg(expired);
        (transaction.cmd("ZADD"))
            .arg(&**revocations)
            .arg(revocation.expires_at())
            .arg(&member);
        (transaction.cmd("XADD").arg(&**log))
            .arg(&["MAXLEN", "~"])
            .arg(LOG_LEN)
            .arg(&["*", "r"])
            .arg(&member);
        self.renew(&mut transaction);
        transaction.cmd("PUBLISH").arg(&**channel).arg(&member);
        self.connection
            .query::<::redis::Value>(&transaction)
            .await?;
        Ok(())
    }

    /// Reads all. The revocations that are added meanwhile are read by the next
    /// [`read_new`](Self::read_new).
    async fn read_set(&self, apply: &mut Receiver<'_>) -> Result<(), Failure> {
        let mut latest = pipe();
        (latest.cmd("XREVRANGE").arg(&*self.keys.log)).arg(&["+", "-", "COUNT", "1"]);
        self.renew(&mut latest);
        let (entries, ..): (Vec<LogEntry>, u8, u8) = self.connection.query(&latest).await?;
        let last_id = entries.into_iter().next_back().map(|(id, _)| id);
        // From the latest expiry down: expired members are removed at the other end, and added ones
        // move the rest towards it, so that no member is skipped.
        let mut start = 0;
        loop {
            let mut page = pipe();
            (page.cmd("ZREVRANGE").arg(&*self.keys.revocations))
                .arg(start)
                .arg(start + PAGE - 1);
            let (members,): (Vec<Vec<u8>>,) = self.connection.query(&page).await?;
            apply(self.parse(members.iter()));
            if members.len() < PAGE {
                break;
            }
            start += PAGE;
        }
        *self.progress() = Progress {
            last_id,
            refreshed: Some(Instant::now()),
        };
        Ok(())
    }

    /// Reads the entries of the log after the last one that was read; all revocations if the log
    /// does not have that one any more. A server that has lost data does not have it either.
    async fn read_new(&self, apply: &mut Receiver<'_>) -> Result<(), Failure> {
        while let Some(last_id) = self.known_id() {
            let mut next = pipe();
            (next.cmd("XRANGE").arg(&*self.keys.log).arg(&last_id))
                .arg(&["+", "COUNT"])
                .arg(PAGE);
            let (entries,): (Vec<LogEntry>,) = self.connection.query(&next).await?;
            let Some(((first, _), new)) = entries.split_first() else {
                break;
            };
            if *first != last_id {
                break;
            }
            let members = new.iter().filter_map(|(_, fields)| member(fields));
            apply(self.parse(members));
            if let Some((id, _)) = new.last() {
                self.progress().last_id = Some(id.clone());
            }
            if entries.len() < PAGE {
                return Ok(());
            }
        }
        self.read_set(apply).await
    }

    /// The id of the last entry that was read, unless all have to be read.
    fn known_id(&self) -> Option<String> {
        let progress = self.progress();
        let is_fresh = |refreshed: Instant| refreshed.elapsed() < REFRESH_INTERVAL;
        match progress.refreshed.is_some_and(is_fresh) {
            true => progress.last_id.clone(),
            false => None,
        }
    }

    async fn listen(&self, apply: &mut Receiver<'_>) -> Result<Infallible, Failure> {
        let connected = self
            .connection
            .connector
            .subscribe(&self.keys.channel)
            .await?;
        let mut subscription = Subscription::new(connected);
        loop {
            let member = subscription.next().await?;
            apply(self.parse([&member]));
        }
    }

    fn renew(&self, commands: &mut Pipeline) {
        for key in [&self.keys.revocations, &self.keys.log] {
            commands.cmd("EXPIRE").arg(&**key).arg(KEY_TTL.as_secs());
        }
    }

    /// The revocations of the members. A newer version of this crate may have written others: they
    /// are ignored.
    fn parse<'a>(&self, members: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<Revocation> {
        let parsed = members.into_iter().filter_map(|member| {
            let parsed = str::from_utf8(member)
                .ok()
                .and_then(|text| text.parse().ok());
            if parsed.is_none() && !self.has_unreadable.swap(true, Ordering::Relaxed) {
                log_unreadable();
            }
            parsed
        });
        parsed.collect()
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log_unreadable() {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        "Redis has a revocation that this version cannot read: it is ignored, as are further ones"
    );
}

/// The value of the field `r`.
fn member(fields: &[Vec<u8>]) -> Option<&Vec<u8>> {
    let mut pairs = fields.chunks_exact(2);
    pairs.find_map(|pair| match pair {
        [name, value] if name == b"r" => Some(value),
        _ => None,
    })
}

impl RevocationStore for RedisStore {
    fn write<'a>(&'a self, revocation: &'a Revocation) -> StoreFuture<'a, ()> {
        Box::pin(async move { Ok(self.add(revocation).await?) })
    }

    fn read_all<'a>(&'a self, apply: &'a mut Receiver<'a>) -> StoreFuture<'a, ()> {
        Box::pin(async move { Ok(self.read_set(apply).await?) })
    }

    fn read_new<'a>(&'a self, apply: &'a mut Receiver<'a>) -> StoreFuture<'a, ()> {
        Box::pin(async move { Ok(Self::read_new(self, apply).await?) })
    }

    fn subscribe<'a>(&'a self, apply: &'a mut Receiver<'a>) -> StoreFuture<'a, Infallible> {
        Box::pin(async move { Ok(self.listen(apply).await?) })
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("connector", &self.connection.connector)
            .field("prefix", &self.keys.prefix)
            .finish_non_exhaustive()
    }
}
