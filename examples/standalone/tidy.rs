//! Returns the memory of idle and closed connections to the system. The allocator keeps a free page
//! for a second, for reuse, and checks the age of such pages only when another page becomes free,
//! which may be never in an idle server.

use std::hint::black_box;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

/// Longer than what is free is kept.
const PAUSE: Duration = Duration::from_millis(1100);
/// A page of its own for any allocator. It is not touched, so it is not memory yet.
const PAGE: usize = 1024 * 1024;

/// Knows whether there is something to give back.
#[derive(Debug, Default)]
pub(crate) struct Tidy(Notify);

impl Tidy {
    /// Something was let go of.
    pub(crate) fn note(&self) {
        self.0.notify_one();
    }

    /// Gives back, a moment after it was let go of, for ever.
    pub(crate) async fn up(&self) {
        loop {
            self.0.notified().await;
            sleep(PAUSE).await;
            drop(black_box(Vec::<u8>::with_capacity(PAGE)));
        }
    }
}
