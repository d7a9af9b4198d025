//! The look-up of a subject at the tenant: its request, the call, and the interpretation of the
//! response.

mod query;
mod response;
mod tenant_client;

pub(super) use query::Lookup;
pub(super) use tenant_client::{CallError, Caller, TenantClient};
