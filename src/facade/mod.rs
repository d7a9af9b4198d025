//! The facade: Omneo ID as one service.
//!
//! Use it to mount the whole of Omneo ID in an application. It serves under any framework that
//! takes a tower service; below the mount it answers
//!
//! | route | credential | does |
//! | --- | --- | --- |
//! | `POST /auth/token` | the tenant's API token | mints an ID token |
//! | any method `/profiles/me…` | ID token of a profile | the tenant's `/profiles/{id}…` |
//! | `POST /profiles` | ID token, anonymous too, or the API token | signs up, or changes consent |
//! | `GET /locations`, `GET /locations/{id}` | ID token, anonymous too | the tenant's stores |
//!
//! and everything else with 404, a wrong method with 405.
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
//! Where nobody strips the mount, as under raw hyper, [`OmneoIdBuilder::mount`] does.
//!
//! Routes of the application's own that want to know who is asking have [`OmneoId::auth_layer`]
//! before them.
//!
//! What it tells of itself, in extensions, by [`OmneoId::stats`] and in its log, is the matter of
//! the [page about observability](crate::docs::observability).

mod builder;
mod facts;
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
