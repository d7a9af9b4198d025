//! Many tenants in one process: an [`OmneoId`](crate::OmneoId) for each, behind one service.
//!
//! [`OmneoIdTenants`](crate::OmneoIdTenants) finds the tenant of each request and calls the
//! tenant's own `OmneoId`. Keys, audience, caches, limits, ended sessions, policies and the rules
//! of sign-ups belong to one tenant; only the client is shared. A request of an unknown tenant is
//! rejected as an unknown route is.
//!
//! ```
//! use omneo_id::client::HttpClient;
//! use omneo_id::tenants::{TenantByHost, TenantSet};
//! use omneo_id::{OmneoId, OmneoIdTenants, SigningKey};
//!
//! # fn main() -> Result<(), omneo_id::error::BoxError> {
//! let mut set = TenantSet::new();
//! for name in ["acme", "brand"] {
//!     let builder = OmneoId::builder()
//!         .upstream(&format!("https://api.{name}.getomneo.com"))?
//!         .api_token("secret")
//!         .signing_key(SigningKey::hs256("0123456789abcdef0123456789abcdef")?)
//!         .mount("/id/api/v1");
//!     set.insert(name.parse()?, builder)?;
//! }
//! let hosts = TenantByHost::new().with_pattern("api.{tenant}.shop.example")?;
//! let tenants = OmneoIdTenants::new(hosts, set, HttpClient::new()?);
//!
//! // Later, while requests run: an unchanged tenant keeps its state.
//! let mut set = (*tenants.tenants()).clone();
//! set.remove("brand".parse()?);
//! tenants.replace(set);
//! # Ok(())
//! # }
//! ```
//!
//! Resolvers find the tenant by host ([`TenantByHost`]), by path ([`TenantByPath`]), by a header
//! of a trusted proxy ([`TenantByHeader`]), or with a closure. The tenants are a [`TenantSet`], or
//! come from an asynchronous [`TenantSource`] behind a [`TenantCache`].
//!
//! The extensions of requests and responses of a known tenant contain its [`TenantKey`]: a bounded
//! label for logs and metrics. [`CallBudget`](crate::upstream::CallBudget) shares the calls in
//! flight among the tenants.
//!
//! | file | role |
//! | --- | --- |
//! | `request_head` | `RequestHead`: the part of a request that a resolver reads |
//! | `resolver` | `TenantResolver` and the provided resolvers |
//! | `set` | `TenantSet`: the tenants by key |
//! | `cache` | `TenantSource` and `TenantCache` |
//! | `directory` | the resolver and the tenants in use, replaceable |
//! | `service`, `future` | `OmneoIdTenants` |
//! | `auth_layer` | the authentication of the application's own routes |

mod auth_layer;
mod cache;
mod directory;
mod future;
mod request_head;
mod resolver;
pub(crate) mod service;
mod set;

pub use crate::tenant::key::{InvalidTenantKey, TenantKey};
pub use auth_layer::{TenantAuth, TenantAuthLayer};
pub use cache::{LoadedTenant, TenantCache, TenantCacheStats, TenantLoadError, TenantSource};
pub use future::{OmneoIdTenantsFuture, TenantAuthFuture};
pub use request_head::RequestHead;
pub use resolver::{OneTenant, TenantByHeader, TenantByHost, TenantByPath, TenantResolver};
pub use set::TenantSet;
