//! The synchronization of a set of revocations with its store.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::RevocationStore;
use super::shared::Shared;
use crate::error::BoxError;

/// The delay after the first failure of several. It doubles with each further one, up to the
/// interval of the reads.
const FIRST_DELAY: Duration = Duration::from_millis(250);

/// Reads the store and listens to it. Without a store, it never completes and has no effect.
pub(super) async fn synchronize(shared: Arc<Shared>) -> Infallible {
    let Some(store) = shared.store() else {
        return pending().await;
    };
    let mut reading = pin!(keep_reading(&shared, store));
    let mut listening = pin!(keep_listening(&shared, store));
    poll_fn(|cx| {
        let _: Poll<Infallible> = reading.as_mut().poll(cx);
        let _: Poll<Infallible> = listening.as_mut().poll(cx);
        Poll::Pending
    })
    .await
}

async fn keep_reading(shared: &Shared, store: &dyn RevocationStore) -> Infallible {
    let interval = shared.config.sync_interval;
    let mut backoff = Backoff::new(interval);
    let mut is_outage = false;
    loop {
        let result = shared.synchronize_once(store).await;
        match &result {
            Ok(()) => {
                if is_outage {
                    log_end();
                }
                backoff.reset();
            }
            Err(error) if !is_outage => log_begin(error),
            Err(_) => {}
        }
        is_outage = result.is_err();
        match is_outage {
            true => sleep(backoff.next()).await,
            // Shorter than the interval, which is the bound that is documented.
            false => sleep(interval.mul_f64(1.0 - 0.2 * random())).await,
        }
    }
}

async fn keep_listening(shared: &Shared, store: &dyn RevocationStore) -> Infallible {
    let interval = shared.config.sync_interval;
    let mut backoff = Backoff::new(interval);
    // When the first failure after a lasting subscription occurred, and whether it is logged.
    let (mut failing_since, mut is_logged) = (None, false);
    loop {
        let start = Instant::now();
        let mut receiver = |revocations| shared.receive(revocations);
        let Err(error) = store.subscribe(&mut receiver).await;
        if start.elapsed() > interval {
            backoff.reset();
            (failing_since, is_logged) = (None, false);
        }
        let failing_since: &mut Instant = failing_since.get_or_insert_with(Instant::now);
        // During an outage, reads fail, too, and `keep_reading` logs that.
        let is_lasting = failing_since.elapsed() > interval.saturating_mul(2);
        if is_lasting && !is_logged && shared.store_state.is_up() {
            log_no_subscription(&error);
            is_logged = true;
        }
        sleep(backoff.next()).await;
    }
}

/// Growing delays between attempts.
struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    fn new(max: Duration) -> Self {
        let mut backoff = Self {
            next: FIRST_DELAY,
            max,
        };
        backoff.reset();
        backoff
    }

    fn reset(&mut self) {
        self.next = FIRST_DELAY.min(self.max);
    }

    /// A random part of the delay, so that the processes do not return at the same time.
    fn next(&mut self) -> Duration {
        let delay = self.next;
        self.next = (delay * 2).min(self.max);
        delay.mul_f64(0.5 + 0.5 * random())
    }
}

/// A random number from 0 to 1.
fn random() -> f64 {
    let number = RandomState::new().hash_one(()) >> 32;
    // 32 bits fit.
    number as f64 / f64::from(u32::MAX)
}

fn log_begin(error: &BoxError) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        error = %Chain(&**error),
        "the store of revocations is not available: sessions that one process ends may continue \
         in others"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = error;
}

fn log_end() {
    #[cfg(feature = "tracing")]
    tracing::info!("the store of revocations is available again");
}

fn log_no_subscription(error: &BoxError) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        error = %Chain(&**error),
        "the subscription to the store of revocations fails: sessions that other processes end \
         are known here with the next read"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = error;
}

/// An error and its sources.
#[cfg(feature = "tracing")]
struct Chain<'a>(&'a (dyn std::error::Error + Send + Sync));

#[cfg(feature = "tracing")]
impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(source) = next {
            write!(f, ": {source}")?;
            next = source.source();
        }
        Ok(())
    }
}
