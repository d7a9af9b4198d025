use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::settings::Settings;
use crate::facade::OmneoId;

/// How long after a failed refresh the next one starts.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// A loaded tenant, shared by its requests.
pub(super) struct Entry {
    pub(super) tenant: OmneoId<()>,
    pub(super) version: Box<str>,
    /// The time of the first load. The other times are in milliseconds after it.
    first_load: Instant,
    refresh_at: AtomicU64,
    expires_at: AtomicU64,
    is_failing: AtomicBool,
}

impl Entry {
    /// A tenant that was loaded now.
    pub(super) fn new(tenant: OmneoId<()>, version: Box<str>, settings: &Settings) -> Self {
        let entry = Self {
            tenant,
            version,
            first_load: Instant::now(),
            refresh_at: AtomicU64::new(0),
            expires_at: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
        };
        entry.renew(settings);
        entry
    }

    /// The source has returned the same version. Returns whether the refresh before had failed.
    pub(super) fn renew(&self, settings: &Settings) -> bool {
        let refresh_at = self.after(settings.refresh_interval);
        let expires_at = self.after(settings.refresh_interval.saturating_add(settings.max_stale));
        self.refresh_at.store(refresh_at, Ordering::Relaxed);
        self.expires_at.store(expires_at, Ordering::Relaxed);
        self.is_failing.swap(false, Ordering::Relaxed)
    }

    /// A refresh has failed. Returns whether it is the first one that has.
    pub(super) fn retry_later(&self, settings: &Settings) -> bool {
        let retry_at = self.after(RETRY_INTERVAL.min(settings.refresh_interval));
        self.refresh_at.store(retry_at, Ordering::Relaxed);
        !self.is_failing.swap(true, Ordering::Relaxed)
    }

    /// Whether the tenant may be served without a load.
    pub(super) fn is_servable(&self) -> bool {
        self.after(Duration::ZERO) < self.expires_at.load(Ordering::Relaxed)
    }

    /// Whether a refresh is due. It is due for one caller: for others after the timeout of a load.
    pub(super) fn claim_refresh(&self, settings: &Settings) -> bool {
        let refresh_at = self.refresh_at.load(Ordering::Relaxed);
        if self.after(Duration::ZERO) < refresh_at {
            return false;
        }
        let next = self.after(settings.load_timeout.saturating_add(RETRY_INTERVAL));
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        self.refresh_at
            .compare_exchange(refresh_at, next, success, failure)
            .is_ok()
    }

    /// The time after this duration, in milliseconds.
    fn after(&self, duration: Duration) -> u64 {
        let time = self.first_load.elapsed().saturating_add(duration);
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    }
}
