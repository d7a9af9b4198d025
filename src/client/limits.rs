use std::time::Duration;

/// The limits of the connections to one origin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many HTTP/1.1 connections may be idle.
    pub(super) max_idle: usize,
    pub(super) idle_timeout: Duration,
    pub(super) connect_timeout: Duration,
    /// How many HTTP/2 connections may be open or connecting.
    pub(super) max_http2_connections: usize,
}
