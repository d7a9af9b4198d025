//! `POST /auth/refresh`: a client exchanges a valid ID token for a new one.

mod config;
mod refusal;
mod service;

pub use config::Refresh;
pub use service::RefreshEndpoint;
