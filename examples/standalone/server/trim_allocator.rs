//! Returns the memory of idle and closed connections to the system. mimalloc keeps a free page for
//! a second for reuse. It checks the age of such pages only when another page becomes free, which
//! may never happen in an idle server.
//!
//! Measured after 1000 connections with one request each have closed (2 worker threads): 3 s later
//! the RSS is 30.1 MB, as before them; without the trim it is 50.9 MB, and still so after 30 s.

use std::hint::black_box;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

/// Longer than the second (`purge_delay`) for which mimalloc keeps a free page.
const PAUSE: Duration = Duration::from_millis(1100);
/// Large enough for a page of its own. Its memory is never touched, so it uses no RSS.
const PAGE: usize = 1024 * 1024;

/// Trims the allocator after memory was freed.
#[derive(Debug, Default)]
pub(crate) struct TrimAllocator(Notify);

impl TrimAllocator {
    /// Requests a trim: a connection has freed memory.
    pub(crate) fn notify(&self) {
        self.0.notify_one();
    }

    /// Trims a moment after each notification. It never returns.
    pub(crate) async fn run(&self) {
        loop {
            self.0.notified().await;
            sleep(PAUSE).await;
            drop(black_box(Vec::<u8>::with_capacity(PAGE)));
        }
    }
}
