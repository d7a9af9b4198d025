use tower::Layer;

use super::MeRewrite;

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
}

impl<S> Layer<S> for MeRewriteLayer {
    type Service = MeRewrite<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MeRewrite::new(inner)
    }
}
