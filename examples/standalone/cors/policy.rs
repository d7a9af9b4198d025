//! The CORS policy: allowed origins, request headers and exposed response headers.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::headers;
use super::origins::Origins;

/// The CORS policy of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cors {
    origins: Arc<Origins>,
    /// Allowed request headers.
    pub(crate) headers: Vec<HeaderName>,
    /// Response headers that pages may read.
    pub(crate) exposed: Vec<HeaderName>,
}

impl Cors {
    /// These origins, with the default headers and these further ones.
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

    /// Whether every origin is allowed.
    pub(crate) fn allows_any(&self) -> bool {
        matches!(*self.origins, Origins::Any)
    }

    /// Whether this origin is allowed.
    pub(crate) fn allows(&self, origin: &HeaderValue) -> bool {
        self.origins.contains(origin.as_bytes())
    }
}
