//! A Redis server of the machine for tests, and a proxy in front of it that can freeze connections.

#![forbid(unsafe_code)]

mod proxy;
mod server;
mod wait;

pub use proxy::Proxy;
pub use server::Server;
pub use wait::{TIMEOUT, until};
