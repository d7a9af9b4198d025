//! Cross-origin requests: which pages may call, and which headers they may send and read.

mod headers;
mod origin;

use std::sync::Arc;

use http::{HeaderName, HeaderValue};

pub(crate) use self::headers::header_names;
pub(crate) use self::origin::{Origins, origins};

/// What pages of other origins may do.
#[derive(Clone, Debug)]
pub(crate) struct Cors {
    origins: Arc<Origins>,
    /// Headers that requests may have.
    pub(crate) headers: Vec<HeaderName>,
    /// Headers of answers that pages may read.
    pub(crate) exposed: Vec<HeaderName>,
}

impl Cors {
    /// The default headers and these.
    pub(crate) fn new(
        origins: Origins,
        headers: Vec<HeaderName>,
        exposed: Vec<HeaderName>,
    ) -> Self {
        Self {
            origins: Arc::new(origins),
            headers: headers::with_default(headers),
            exposed: headers::exposed_with_default(exposed),
        }
    }

    /// Whether pages of every origin may call.
    pub(crate) fn allows_any(&self) -> bool {
        matches!(*self.origins, Origins::Any)
    }

    /// Whether pages of this origin may call.
    pub(crate) fn allows(&self, origin: &HeaderValue) -> bool {
        self.origins.contain(origin.as_bytes())
    }
}
