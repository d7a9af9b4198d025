//! Delays a response to a multiple of a quantum.

use super::policy::CommsPolicy;

/// The start and the quantum of [`CommsPolicy::with_uniform_latency`]; `None` if it is not set.
#[cfg(feature = "client")]
pub(super) struct UniformLatency(Option<(tokio::time::Instant, std::time::Duration)>);

#[cfg(feature = "client")]
impl UniformLatency {
    /// Starts the first quantum now.
    pub(super) fn from_now(policy: &CommsPolicy) -> Self {
        Self(
            policy
                .latency()
                .map(|quantum| (tokio::time::Instant::now(), quantum)),
        )
    }

    /// Waits for the end of the current quantum.
    pub(super) async fn wait(self) {
        let Some((start, quantum)) = self.0 else {
            return;
        };
        let quanta = start
            .elapsed()
            .as_nanos()
            .div_ceil(quantum.as_nanos().max(1))
            .max(1);
        let deadline = u32::try_from(quanta)
            .ok()
            .and_then(|quanta| quantum.checked_mul(quanta))
            .and_then(|after| start.checked_add(after));
        if let Some(deadline) = deadline {
            tokio::time::sleep_until(deadline).await;
        }
    }
}

/// Uniform latency needs a timer, and so the feature `client`.
#[cfg(not(feature = "client"))]
pub(super) struct UniformLatency;

#[cfg(not(feature = "client"))]
impl UniformLatency {
    pub(super) fn from_now(_policy: &CommsPolicy) -> Self {
        Self
    }

    pub(super) async fn wait(self) {}
}
