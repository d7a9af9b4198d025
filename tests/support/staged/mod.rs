//! Every fault of a tenant at every stage of an answer.
//!
//! The tables say which bytes a faulty tenant sends; the test binaries decide which clients suffer.

pub(crate) mod http1;
pub(crate) mod http2;
