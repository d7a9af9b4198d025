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
pub struct MeRewriteLayer {
    mount: usize,
}

impl MeRewriteLayer {
    /// A layer that rewrites `/profiles/me`.
    pub const fn new() -> Self {
        Self { mount: 0 }
    }

    /// One for requests whose path begins with a mount of so many bytes, which the caller has seen:
    /// nobody has to make a target without it first.
    #[cfg(feature = "client")]
    pub(crate) const fn behind_mount(mount: usize) -> Self {
        Self { mount }
    }

    /// Narrows what of `me` may be asked. Default is everything.
    #[must_use]
    pub fn with_access(self, policy: AccessPolicy) -> RestrictedMeLayer {
        RestrictedMeLayer {
            access: Arc::new(policy),
            mount: self.mount,
            read_timeout: ReadTimeout::default(),
        }
    }
}

impl<S> Layer<S> for MeRewriteLayer {
    type Service = MeRewrite<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MeRewrite::behind_mount(inner, self.mount)
    }
}

/// Layer that applies [`RestrictedMe`]: [`MeRewriteLayer`] with an access policy.
#[derive(Clone, Debug)]
pub struct RestrictedMeLayer {
    access: Arc<AccessPolicy>,
    mount: usize,
    read_timeout: ReadTimeout,
}

impl RestrictedMeLayer {
    /// What may be asked.
    pub fn access(&self) -> &AccessPolicy {
        &self.access
    }

    /// Sets the timeout of [`RestrictedMe::with_read_timeout`].
    ///
    /// Default is no limit.
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
        let access = Arc::clone(&self.access);
        RestrictedMe::from_shared(inner, access, self.mount, self.read_timeout)
    }
}
