//! A Redis server of the machine for tests, a proxy in front of it that can freeze connections, and
//! processes of the standalone server.

#![forbid(unsafe_code)]

mod proxy;
mod server;
mod standalone;
mod wait;

pub use proxy::Proxy;
pub use server::Server;
pub use standalone::{BOUND, PROFILE, Standalone};
pub use wait::{TIMEOUT, until, within};
