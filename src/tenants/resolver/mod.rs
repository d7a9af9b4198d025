//! From a request to the key of its tenant.
//!
//! | file | role |
//! | --- | --- |
//! | `tenant_resolver` | `TenantResolver` |
//! | `one_tenant` | `OneTenant`: every request belongs to one tenant |
//! | `by_host` | `TenantByHost`: exact hosts and a pattern |
//! | `by_path` | `TenantByPath`: the first path segment |
//! | `by_header` | `TenantByHeader`: a header of a trusted proxy |
//! | `host` | the host of a request, normalized |

mod by_header;
mod by_host;
mod by_path;
mod host;
mod one_tenant;
mod tenant_resolver;

pub use by_header::TenantByHeader;
pub use by_host::TenantByHost;
pub use by_path::TenantByPath;
pub use one_tenant::OneTenant;
pub use tenant_resolver::TenantResolver;
