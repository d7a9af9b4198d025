use std::sync::Arc;

use tower::Layer;

use super::policy::CommsPolicy;
use super::service::{CommsUpsert, Shared};

/// Layer that applies [`CommsUpsert`]: `POST /profiles` becomes a sign-up.
///
/// See the [module docs](super).
#[derive(Clone, Debug, Default)]
pub struct CommsUpsertLayer {
    shared: Arc<Shared>,
}

impl CommsUpsertLayer {
    /// Creates a layer with this policy. The services of one layer, and their clones, create the
    /// profile of an address one at a time.
    pub fn new(policy: CommsPolicy) -> Self {
        Self {
            shared: Arc::new(Shared::new(policy)),
        }
    }
}

#[cfg(feature = "client")]
impl CommsUpsertLayer {
    /// A layer with another policy. Both create the profile of an address one at a time.
    pub(crate) fn with_policy(&self, policy: CommsPolicy) -> Self {
        Self {
            shared: Arc::new(self.shared.with_policy(policy)),
        }
    }
}

impl<S> Layer<S> for CommsUpsertLayer {
    type Service = CommsUpsert<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CommsUpsert::from_shared(inner, Arc::clone(&self.shared))
    }
}
