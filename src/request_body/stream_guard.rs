use std::fmt;
use std::sync::Arc;

/// Held while a stream of an HTTP/2 connection is in use. The stream is free again when all clones
/// are dropped.
#[derive(Clone)]
pub(crate) struct StreamGuard(#[expect(dead_code, reason = "dropped")] Arc<dyn Send + Sync>);

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
