//! The facade: Omneo ID as one service.
//!
//! Use it to mount all of Omneo ID in an application. It serves under any framework that accepts a
//! tower service. Below the mount it has these routes:
//!
//! | route | credential | response |
//! | --- | --- | --- |
//! | `POST /auth/token` | the tenant's API token | a new ID token |
//! | any method `/profiles/me…` | ID token of a profile | the tenant's, from `/profiles/{id}…` |
//! | `POST /profiles` | ID token, anonymous too, or the API token | signs up, or changes consent |
//! | `GET /locations`, `GET /locations/{id}` | ID token, anonymous too | the tenant's stores |
//!
//! Other paths are rejected with 404, other methods with 405.
//!
//! ```no_run
//! # #[cfg(all(feature = "tls", feature = "aws-lc-rs"))]
//! # fn app() -> Result<axum::Router, omneo_id::error::ConfigError> {
//! use omneo_id::{OmneoId, SigningKey};
//!
//! # let (env_token, secret) = ("token", "secret");
//! let id = OmneoId::builder()
//!     .upstream("https://api.acme.getomneo.com")?
//!     .api_token(env_token)
//!     .signing_key(SigningKey::hs256(secret)?)
//!     .build()?;
//! let app = axum::Router::new().nest_service("/id/api/v1", id);
//! # Ok(app) }
//! ```
//!
//! Under raw hyper no router strips the mount: set it with [`OmneoIdBuilder::mount`].
//!
//! To authenticate further routes of the application, wrap them in [`OmneoId::auth_layer`].
//!
//! The [page about observability](crate::docs::observability) describes the response extensions,
//! [`OmneoId::stats`] and the log.

mod builder;
mod future;
mod request_checks;
mod route;
mod service;
mod stats;
mod trace;

pub use builder::OmneoIdBuilder;
pub use future::OmneoIdFuture;
pub use service::OmneoId;
pub use stats::OmneoIdStats;
