//! The requests that the sandbox has received, for assertions.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use serde_json::Value;

use crate::headers::single_value;

/// How many requests are kept; the oldest are dropped first.
const MAX_REQUESTS: usize = 4096;
/// How many bytes of their bodies are kept.
const MAX_BYTES: usize = 64 << 20;

/// One request as it reached the sandbox, before the tenant interprets it.
///
/// `Debug` prints the names of the headers, never their values.
#[derive(Clone)]
#[non_exhaustive]
pub struct CapturedRequest {
    /// The method on the wire, before any override.
    pub method: Method,
    /// The target as received, in origin or in absolute form.
    pub uri: Uri,
    /// All headers as received.
    pub headers: HeaderMap,
    /// The whole body; empty if an [early](super::Fault::early) fault came first.
    pub body: Bytes,
}

impl CapturedRequest {
    /// The path, byte for byte.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The query, byte for byte, without the question mark.
    pub fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    /// A header's value, if there is exactly one and it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        single_value(&self.headers, name).ok()??.to_str().ok()
    }

    /// The body as JSON; `null` if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl fmt::Debug for CapturedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapturedRequest")
            .field("method", &self.method)
            .field("uri", &self.uri)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body", &self.body)
            .finish()
    }
}

/// The last requests, oldest first.
#[derive(Debug, Default)]
pub(crate) struct CaptureBuffer {
    requests: VecDeque<CapturedRequest>,
    bytes: usize,
}

impl CaptureBuffer {
    pub(crate) fn push(&mut self, request: CapturedRequest) {
        self.bytes = self.bytes.saturating_add(request.body.len());
        self.requests.push_back(request);
        while self.requests.len() > MAX_REQUESTS || self.bytes > MAX_BYTES {
            let Some(oldest) = self.requests.pop_front() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(oldest.body.len());
        }
    }

    pub(crate) fn to_vec(&self) -> Vec<CapturedRequest> {
        self.requests.iter().cloned().collect()
    }

    pub(crate) fn take(&mut self) -> Vec<CapturedRequest> {
        std::mem::take(self).requests.into()
    }
}
