//! The forwarding service: over scripted clients, and over sockets to real and scripted tenants.

mod bodies;
mod buffers;
mod deadlines;
mod early;
mod early_close;
mod faults;
mod flow;
mod host;
mod http2_flow;
mod http2_pool;
mod http2_script;
mod in_memory;
mod leaving;
mod lengths;
#[cfg(feature = "tracing")]
mod logs;
mod matrix;
mod pool;
#[cfg(feature = "tls")]
mod private_ca;
mod properties;
#[cfg(feature = "tls")]
mod proxy;
mod requests;
mod responses;
mod retries;
mod stale;
mod stale_lookups;
mod stale_sockets;
#[cfg(feature = "tls")]
mod tls;
mod wire;
mod worst;
mod worst_http2;

pub(crate) use crate::support::tenants;
use crate::support::{staged, upstream as support};
