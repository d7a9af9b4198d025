//! A store of revocations in Redis, with the feature `redis`.

mod connect;
mod connection_manager;
mod failure;
mod keys;
mod store;
mod subscription;
#[cfg(feature = "tls")]
mod tls;
mod url;

pub use store::RedisStore;
