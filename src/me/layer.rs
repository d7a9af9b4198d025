use std::sync::Arc;
#[cfg(feature = "client")]
use std::time::Duration;

use tower::Layer;

use super::{MeRewrite, RestrictedMe};
use crate::path::AccessPolicy;
use crate::read::ReadTimeout;

/// Layer that applies [`MeRewrite`].
///
/// See the [module docs](super) for an example.
#[derive(Clone, Copy, Debug, Default)]
pub struct MeRewriteLayer(());

impl MeRewriteLayer {
    /// A layer that rewrites `/profiles/me`.
    pub const fn new() -> Self {
        Self(())
    }

    /// Restricts the methods, paths and fields of `me`. Default is to allow every method on every
    /// path.
    #[must_use]
    pub fn with_access_policy(self, policy: AccessPolicy) -> RestrictedMeLayer {
        RestrictedMeLayer {
            access: Arc::new(policy),
            read_timeout: ReadTimeout::default(),
        }
    }
}

impl<S> Layer<S> for MeRewriteLayer {
    type Service = MeRewrite<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MeRewrite::new(inner)
    }
}

/// Layer that applies [`RestrictedMe`]: [`MeRewriteLayer`] with an access policy.
#[derive(Clone, Debug)]
pub struct RestrictedMeLayer {
    access: Arc<AccessPolicy>,
    read_timeout: ReadTimeout,
}

impl RestrictedMeLayer {
    /// The access policy.
    pub fn access(&self) -> &AccessPolicy {
        &self.access
    }

    /// Sets the timeout of [`RestrictedMe::with_read_timeout`].
    ///
    /// Default is none.
    #[cfg(feature = "client")]
    #[cfg_attr(docsrs, doc(cfg(feature = "client")))]
    #[must_use]
    pub fn with_read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = ReadTimeout::new(timeout);
        self
    }
}

impl<S> Layer<S> for RestrictedMeLayer {
    type Service = RestrictedMe<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RestrictedMe::from_shared(inner, Arc::clone(&self.access), self.read_timeout)
    }
}
