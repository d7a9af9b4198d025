//! The source of the time of day: [`SystemClock`], or another [`Clock`] for tests.
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
/// Token issuer and verifier read the time from their clock only, so that a test can set it. Any
/// `Fn() -> u64` is a clock:
///
/// ```
/// use omneo_id::clock::Clock;
///
/// let noon = || 1_700_000_000;
/// assert_eq!(noon.now(), 1_700_000_000);
/// ```
pub trait Clock: Send + Sync + 'static {
    /// Seconds since 1970-01-01T00:00:00Z without leap seconds: a `NumericDate` of
    /// [RFC 7519 §2](https://www.rfc-editor.org/rfc/rfc7519#section-2).
    fn now(&self) -> u64;
}

/// The clock of the system, which is the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> u64 {
        // A system time before 1970 reads as 1970. Tokens of correct clocks are then rejected as
        // issued in the future.
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
