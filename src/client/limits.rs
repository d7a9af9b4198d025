use std::time::Duration;

use tokio::time::Instant;

/// The limits of the connections of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many HTTP/1.1 connections to one origin may be idle.
    pub(super) max_idle: usize,
    /// How many connections to all origins together may be idle. `None` is unlimited.
    pub(super) max_idle_total: Option<usize>,
    pub(super) idle_timeout: Duration,
    pub(super) max_age: Duration,
    pub(super) connect_timeout: Duration,
    /// How many HTTP/2 connections to one origin may be open or connecting.
    pub(super) max_http2_connections: usize,
}

/// 2^32 divided by the golden ratio: its multiples, modulo 2^32, are spread evenly.
const GOLDEN_RATIO: u32 = 0x9E37_79B9;

impl Limits {
    /// When the connection with this number, opened now, has reached the greatest age. `None` is
    /// never.
    ///
    /// It is up to an eighth before the greatest age, and differs for consecutive numbers, so that
    /// connections that were opened together are not replaced together.
    pub(super) fn expiry(&self, number: u32) -> Option<Instant> {
        let fraction = f64::from(number.wrapping_mul(GOLDEN_RATIO)) / f64::from(u32::MAX);
        let earlier = (self.max_age / 8).mul_f64(fraction);
        Instant::now().checked_add(self.max_age.saturating_sub(earlier))
    }
}
