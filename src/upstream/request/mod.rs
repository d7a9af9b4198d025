//! The request to the tenant: target, headers, framing.

mod framing;
mod headers;
mod target;

pub(super) use framing::Framing;
pub(super) use headers::{accept_trailers, filter_headers, insert_tenant_headers};
pub(super) use target::tenant_uri;
