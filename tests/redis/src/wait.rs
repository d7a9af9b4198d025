use std::time::Duration;

use tokio::time::{Instant, sleep};

/// When a test gives up. It is far longer than each wait takes on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// Waits until `is_true`; panics after [`TIMEOUT`].
pub async fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + TIMEOUT;
    while !is_true() {
        assert!(Instant::now() < end, "it did not happen: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
