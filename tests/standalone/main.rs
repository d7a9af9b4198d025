//! Tests of the standalone server: as a process, and of its modules, which are included by path.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod abuse;
mod banner;
mod body_lengths;
mod brands;
mod certificates;
mod coalescing_writer;
mod config_builder;
mod config_check;
mod config_settings;
mod config_tenants;
mod connection_timer;
mod cross_origin;
mod descriptors;
mod drain_delay;
mod empty_verify;
mod flags;
mod floods;
mod http2_frames;
mod idle_connections;
mod key_files;
mod key_rotation;
mod listeners;
mod logs;
mod lost_log;
mod many_tenants;
mod metrics;
mod openapi;
mod outage;
mod probes;
mod process;
mod protocol_detection;
mod raw_client;
mod reload;
mod reload_thread;
mod responses;
mod scrape;
mod secret_files;
mod sessions;
mod shutdown;
mod storefront;
mod temporary;
mod tenant;
mod tenant_network;
mod timeouts;
mod tls;
mod tls_files;
mod trusted_proxies;
mod unread_responses;
mod variables;

#[path = "../support/mod.rs"]
mod support;

use support::{forbidden, framing, script};

#[allow(
    dead_code,
    unused_imports,
    reason = "the tests use a part of the example"
)]
#[path = "../../examples/standalone/config/mod.rs"]
mod config;

#[allow(dead_code, reason = "the tests use a part of the example")]
#[path = "../../examples/standalone/cors/mod.rs"]
mod cors;

#[allow(dead_code, reason = "the tests use a part of the example")]
#[path = "../../examples/standalone/server/mod.rs"]
mod server;

#[allow(dead_code, reason = "the tests use a part of the example")]
#[path = "../../examples/standalone/storefront/mod.rs"]
mod demo;
