//! The HTTP server: accepts connections, serves them on worker threads, closes them at a timeout,
//! and shuts down gracefully.
//!
//! | file | role |
//! | --- | --- |
//! | `serve` | the accept loop and the graceful shutdown |
//! | `listeners`, `listener`, `unix_socket`, `socket_activation` | the listening sockets |
//! | `accepted`, `transport` | accepted connections; TCP, TLS and Unix streams |
//! | `tls` | the certificate and its replacement |
//! | `host_check` | the check of the header `Host` |
//! | `signals`, `reload_thread`, `descriptors` | SIGTERM, SIGINT, SIGHUP and its thread; file limits |
//! | `workers` | one thread and one runtime per core |
//! | `connection_task` | the task of one connection |
//! | `connection`, `protocol_detection` | its states, with and without `hyper` |
//! | `context` | the settings of `hyper`, and the state that all connections share |
//! | `socket`, `coalescing_writer` | the I/O types between `hyper` and the stream |
//! | `connection_activity`, `tracked_service`, `upload`, `timeouts` | counters and their timer |
//! | `trim_allocator` | returns freed memory to the system |

pub(crate) mod accepted;
pub(crate) mod coalescing_writer;
pub(crate) mod connection;
pub(crate) mod connection_activity;
pub(crate) mod connection_task;
pub(crate) mod context;
pub(crate) mod descriptors;
pub(crate) mod host_check;
pub(crate) mod listener;
pub(crate) mod listeners;
pub(crate) mod protocol_detection;
pub(crate) mod reload_thread;
pub(crate) mod serve;
pub(crate) mod signals;
pub(crate) mod socket;
pub(crate) mod socket_activation;
pub(crate) mod timeouts;
pub(crate) mod tls;
pub(crate) mod tracked_service;
pub(crate) mod transport;
pub(crate) mod trim_allocator;
#[cfg(unix)]
pub(crate) mod unix_socket;
pub(crate) mod upload;
pub(crate) mod workers;
