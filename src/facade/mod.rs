//! The facade: Omneo ID as one service, composed of the layers. See [`OmneoId`].
//!
//! It is the only folder that imports every layer. `request_checks` runs before any layer, and
//! `service` calls the stack of the route. The table of routes is `report::Route`.

mod build;
mod builder;
mod config;
mod deleted_profile;
mod future;
mod request_checks;
mod service;
mod stats;
mod token_settings;
mod trace;

pub(crate) use build::MemberSettings;
pub use builder::OmneoIdBuilder;
pub use future::OmneoIdFuture;
pub use service::OmneoId;
pub use stats::OmneoIdStats;
