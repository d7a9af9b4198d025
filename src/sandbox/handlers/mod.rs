//! The handlers of the tenant's routes.

pub(crate) mod attributes;
pub(crate) mod auth;
pub(crate) mod connections;
pub(crate) mod identities;
pub(crate) mod items;
pub(crate) mod locations;
pub(crate) mod loyalty;
pub(crate) mod profiles;
