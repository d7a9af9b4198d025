//! The request to the tenant: target, headers, framing.

mod framing;
mod headers;
mod target;

pub(super) use framing::Framing;
pub(super) use headers::{filter_headers, insert_te_trailers, insert_tenant_headers};
pub(super) use target::tenant_uri;
