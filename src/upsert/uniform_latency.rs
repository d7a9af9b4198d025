//! When an answer may go out.

use super::policy::CommsPolicy;

/// The moment from which [`CommsPolicy::with_uniform_latency`] counts, if that was chosen.
#[cfg(feature = "client")]
pub(super) struct Release(Option<(tokio::time::Instant, std::time::Duration)>);

#[cfg(feature = "client")]
impl Release {
    /// Counts from now on.
    pub(super) fn from_now(policy: &CommsPolicy) -> Self {
        Self(
            policy
                .latency()
                .map(|quantum| (tokio::time::Instant::now(), quantum)),
        )
    }

    /// Returns at the next multiple of the quantum, the first at the earliest.
    pub(super) async fn wait(self) {
        let Some((start, quantum)) = self.0 else {
            return;
        };
        let quanta = start
            .elapsed()
            .as_nanos()
            .div_ceil(quantum.as_nanos().max(1))
            .max(1);
        let release = u32::try_from(quanta)
            .ok()
            .and_then(|quanta| quantum.checked_mul(quanta))
            .and_then(|after| start.checked_add(after));
        if let Some(release) = release {
            tokio::time::sleep_until(release).await;
        }
    }
}

/// Without a timer there is no uniform latency to choose.
#[cfg(not(feature = "client"))]
pub(super) struct Release;

#[cfg(not(feature = "client"))]
impl Release {
    pub(super) fn from_now(_policy: &CommsPolicy) -> Self {
        Self
    }

    pub(super) async fn wait(self) {}
}
