//! One binary for all that is tested through the public API.

mod auth;
mod keys;
mod token;
