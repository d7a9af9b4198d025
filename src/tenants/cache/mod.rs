//! Tenants of an asynchronous source, behind a bounded cache.
//!
//! | file | role |
//! | --- | --- |
//! | `source` | `TenantSource`, `LoadedTenant` |
//! | `settings` | the limits and times of a cache |
//! | `tenants` | `TenantCache`: the look-up, and what a load changes |
//! | `entry` | a loaded tenant, and when it is refreshed |
//! | `loads` | the loads in flight: one per key, a bounded number |
//! | `error` | `TenantLoadError`: why a tenant is not available |

mod entry;
mod error;
mod loads;
mod settings;
mod source;
mod tenants;

pub use error::TenantLoadError;
pub(super) use loads::PendingLoad;
pub use source::{LoadedTenant, TenantSource};
pub(super) use tenants::Lookup;
pub use tenants::{TenantCache, TenantCacheStats};
