//! What a tenant can do wrong, stage by stage. Without a word on who is harmed by it, so that more
//! than one test binary can hold them.

pub(super) mod http1;
pub(super) mod http2;
