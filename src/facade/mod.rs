//! The facade: Omneo ID as one service, composed of the layers. See [`OmneoId`].
//!
//! It is the only folder that knows the whole stack. `request_checks` runs before any layer,
//! `route` is the table of routes, and `service` calls the stack of the route.

mod builder;
mod config;
mod deleted_profile;
mod future;
mod request_checks;
mod route;
mod service;
mod stats;
mod token_settings;
mod trace;

pub use builder::OmneoIdBuilder;
pub use future::OmneoIdFuture;
pub use service::OmneoId;
pub use stats::OmneoIdStats;
