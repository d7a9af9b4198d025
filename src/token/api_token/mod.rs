//! The check of a caller's API token, here or by the tenant, and the cache of successful checks.

mod cache;
mod check;

pub(super) use check::ApiTokenCheck;
