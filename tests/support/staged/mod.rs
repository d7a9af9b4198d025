//! Every fault of a tenant at every stage of a response.
//!
//! The tables say which bytes a faulty tenant sends; the test binaries choose the affected clients.

pub(crate) mod http1;
pub(crate) mod http2;
