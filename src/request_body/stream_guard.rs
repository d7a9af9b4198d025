use std::fmt;
use std::sync::Arc;

/// Keeps a stream of an HTTP/2 connection reserved until all clones are dropped.
#[derive(Clone)]
pub(crate) struct StreamGuard(
    #[expect(dead_code, reason = "its drop frees the stream")] Arc<dyn Send + Sync>,
);

impl StreamGuard {
    pub(crate) fn new(stream: Arc<dyn Send + Sync>) -> Self {
        Self(stream)
    }
}

impl fmt::Debug for StreamGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamGuard")
    }
}
