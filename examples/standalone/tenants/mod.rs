//! The state, readiness and CORS policy of each configured tenant.
//!
//! | file | role |
//! | --- | --- |
//! | `served` | the tenants in use, replaced as a whole by a reload |
//! | `tenant`, `retired` | one tenant: its service, ended sessions and CORS policy; those removed |
//! | `resolver` | finds the tenant of a request |
//! | `sessions` | maintenance of the ended sessions |
//! | `probe`, `readiness` | whether a tenant is ready |
//! | `cors` | applies the CORS policy of the tenant of each request |

mod cors;
mod probe;
mod readiness;
mod resolver;
mod retired;
mod served;
mod sessions;
mod tenant;

pub(crate) use self::cors::TenantCorsLayer;
pub(crate) use self::probe::Prober;
pub(crate) use self::readiness::Readiness;
pub(crate) use self::served::{ServedTenants, SharedSettings};
pub(crate) use self::tenant::ServedTenant;
