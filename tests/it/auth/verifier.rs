//! `TokenVerifier`: valid and invalid tokens.

mod claims;
mod configuration;
mod encoding;
mod keys;
mod times;
