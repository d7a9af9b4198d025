//! The ended sessions of a tenant, which all worker threads share: their maintenance, and the log
//! at the start.

use std::convert::Infallible;
use std::time::Duration;

use omneo_id::Revocations;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tracing::info;

use crate::config::Sessions;

/// How often expired entries are removed, to return their memory.
const EVICT_INTERVAL: Duration = Duration::from_secs(60);

/// The task that keeps a set of ended sessions current and small. It ends when this is dropped.
pub(super) struct Maintenance(AbortHandle);

impl Maintenance {
    pub(super) fn start(revocations: Revocations, runtime: &Handle) -> Self {
        Self(runtime.spawn(maintain(revocations)).abort_handle())
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn maintain(revocations: Revocations) -> Infallible {
    let evict = async {
        loop {
            sleep(EVICT_INTERVAL).await;
            revocations.evict_expired();
        }
    };
    tokio::select! {
        never = revocations.synchronize() => never,
        never = evict => never,
    }
}

/// Logs the settings, without the URL of the store: it may contain a password. `tenant` is the key,
/// if the server has several tenants.
pub(super) fn log(sessions: &Sessions, tenant: Option<&str>) {
    let refresh = match sessions.refresh {
        None => "off".to_owned(),
        Some(refresh) => refresh.age().to_string(),
    };
    info!(
        tenant.key = tenant,
        store = sessions.store.as_str(),
        on_outage = %sessions.on_outage,
        %refresh,
        rotate = sessions.refresh.is_some_and(|refresh| refresh.rotate),
        webhook = if sessions.has_webhook { "on" } else { "off" },
        "sessions are ended in {}",
        sessions.store.scope()
    );
}
