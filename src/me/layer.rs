use std::sync::Arc;

use tower::Layer;

use super::{MeRewrite, RestrictedMe};
use crate::path::AccessPolicy;

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
}

impl RestrictedMeLayer {
    /// What may be asked.
    pub fn access(&self) -> &AccessPolicy {
        &self.access
    }
}

impl<S> Layer<S> for RestrictedMeLayer {
    type Service = RestrictedMe<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RestrictedMe::from_shared(inner, Arc::clone(&self.access), self.mount)
    }
}
