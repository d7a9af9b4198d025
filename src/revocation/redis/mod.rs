//! A store of revocations in Redis, with the feature `redis`.
//!
//! | file | role |
//! | --- | --- |
//! | `store` | `RedisStore`: the commands |
//! | `keys` | the names in Redis |
//! | `pool`, `subscription` | the connection for commands; the messages of the channel |
//! | `connect`, `tls`, `url` | open a connection; TLS; the URL of the server |
//! | `failure` | an error without credentials |

mod connect;
mod failure;
mod keys;
mod pool;
mod store;
mod subscription;
#[cfg(feature = "tls")]
mod tls;
mod url;

pub use store::RedisStore;
