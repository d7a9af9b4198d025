//! The faults of a tenant, stage by stage: tables that several test binaries share.

pub(super) mod http1;
pub(super) mod http2;
