//! Where the time of day comes from: [`SystemClock`], or whatever is given to `with_clock`.
//!
//! ```
//! use omneo_id::clock::{Clock, SystemClock};
//!
//! let noon = || 1_700_000_000;
//! assert!(SystemClock.now() > noon.now());
//! ```

use std::time::{SystemTime, UNIX_EPOCH};

/// A source of the time of day.
///
/// Minting and verifying never ask the system for the time; they ask the clock they were given, so
/// that a test can say what time it is. Any `Fn() -> u64` is a clock:
///
/// ```
/// use omneo_id::clock::Clock;
///
/// let noon = || 1_700_000_000;
/// assert_eq!(noon.now(), 1_700_000_000);
/// ```
pub trait Clock: Send + Sync + 'static {
    /// Seconds since 1970-01-01T00:00:00Z, leap seconds not counted: a `NumericDate` of
    /// [RFC 7519 §2](https://www.rfc-editor.org/rfc/rfc7519#section-2).
    fn now(&self) -> u64;
}

/// The clock of the system. The default everywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> u64 {
        // A clock set before 1970 reads as 1970: every token then counts as not yet expired only if
        // it was issued by the same wrong clock.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    }
}

impl<F> Clock for F
where
    F: Fn() -> u64 + Send + Sync + 'static,
{
    fn now(&self) -> u64 {
        self()
    }
}
