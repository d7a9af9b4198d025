//! The tenant's answer as the client gets it: status, headers, body.

mod clean;
mod location;
mod proxied_body;
mod secret_scanner;

pub(in crate::upstream) use clean::*;
pub(in crate::upstream) use proxied_body::{BodyObserver, ProxiedBody};
pub(in crate::upstream) use secret_scanner::Secret;
