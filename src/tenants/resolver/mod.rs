//! From a request to the key of its tenant.
//!
//! | file | role |
//! | --- | --- |
//! | `contract` | `TenantResolver`, and the resolvers that every request satisfies |
//! | `by_host` | `TenantByHost`: exact hosts and a pattern |
//! | `by_path` | `TenantByPath`: the first path segment |
//! | `by_header` | `TenantByHeader`: a header of a trusted proxy |
//! | `host` | the host of a request, normalized |

mod by_header;
mod by_host;
mod by_path;
mod contract;
mod host;

pub use by_header::TenantByHeader;
pub use by_host::TenantByHost;
pub use by_path::TenantByPath;
pub use contract::{OneTenant, TenantResolver};
