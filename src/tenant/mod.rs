//! The tenant's address and credential.
//!
//! A [`Tenant`] is an origin, a base path and an [`ApiToken`]. The markers [`AllowForward`] and
//! [`CallAs`] in a request's extensions permit to forward it to the tenant.
//!
//! ```
//! use omneo_id::{ApiToken, Tenant};
//!
//! let tenant = Tenant::new("https://api.acme.getomneo.com", ApiToken::new("secret")?)?
//!     .with_base_path("/api/v3")?;
//! assert_eq!(tenant.authority(), "api.acme.getomneo.com");
//! assert!(!format!("{tenant:?}").contains("secret"));
//!
//! // The token is not sent unencrypted, and an origin has no path.
//! let token = || ApiToken::new("secret");
//! assert!(Tenant::new("http://api.acme.getomneo.com", token()?).is_err());
//! assert!(Tenant::new("https://api.acme.getomneo.com/id", token()?).is_err());
//! # Ok::<(), omneo_id::error::ConfigError>(())
//! ```

pub(crate) mod api_token;
#[cfg(feature = "client")]
pub(crate) mod key;
mod markers;
mod origin;
pub(crate) mod settings;

pub(crate) use api_token::ApiToken;
#[cfg(feature = "client")]
pub(crate) use key::TenantKey;
pub use markers::{AllowForward, CallAs};
pub(crate) use origin::Origin;
#[cfg(any(doc, feature = "client"))]
pub(crate) use settings::Tenant;
