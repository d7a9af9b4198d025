//! The request as the tenant gets it: target, headers, framing.

pub(in crate::upstream) mod clean;
pub(in crate::upstream) mod framing;
pub(in crate::upstream) mod target;
