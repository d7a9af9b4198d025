//! Tenants of an asynchronous source, behind a bounded cache.
//!
//! | file | role |
//! | --- | --- |
//! | `source` | `TenantSource`, `LoadedTenant` |
//! | `settings` | the limits and times of a cache |
//! | `tenant_cache` | `TenantCache`: the look-up, and what a load changes |
//! | `entry` | a loaded tenant, and when it is refreshed |
//! | `kept_sessions` | the ended sessions of tenants that were removed or evicted |
//! | `loads` | the loads in flight: one per key, a bounded number |
//! | `error` | `TenantLoadError`: why a tenant is not available |

mod entry;
mod error;
mod kept_sessions;
mod loads;
mod settings;
mod source;
mod tenant_cache;

pub use error::TenantLoadError;
pub(super) use loads::PendingLoad;
pub use source::{LoadedTenant, TenantSource};
pub(super) use tenant_cache::Lookup;
pub use tenant_cache::{TenantCache, TenantCacheStats};
