//! Runs reloads in a thread of its own: a slow read of files delays neither the accept loop nor the
//! end of the process.

use std::io;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread;

use tracing::warn;

/// The thread that runs reloads.
pub(crate) struct ReloadThread(SyncSender<()>);

impl ReloadThread {
    /// Starts the thread. It calls `reload` for one request after the other.
    pub(crate) fn start(mut reload: impl FnMut() + Send + 'static) -> io::Result<Self> {
        // One request can wait while a reload runs. It covers all later ones, as the files are
        // read after them.
        let (sender, requests) = sync_channel(1);
        thread::Builder::new()
            .name("reload".to_owned())
            .spawn(move || requests.iter().for_each(|()| reload()))?;
        Ok(Self(sender))
    }

    /// Requests a reload.
    pub(crate) fn request(&self) {
        if let Err(TrySendError::Disconnected(())) = self.0.try_send(()) {
            warn!("the thread that reloads files has ended: files are not reloaded");
        }
    }
}
