//! The client's pool over HTTP/1.1 and before the protocol is known: no connection is lost, used
//! twice, kept for too long or leaked.

mod age;
mod connecting;
mod dropped;
mod idle;
mod runtimes;
mod total_idle;
