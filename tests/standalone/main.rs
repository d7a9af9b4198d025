//! The standalone server as a process: flags, answers, signals. And its flags alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod abuse;
mod answers;
mod cross_origin;
mod describe;
mod descriptors;
mod empty_verify;
mod ending;
mod flags;
mod frames;
mod gathering;
mod guide;
mod key_files;
mod lengths;
mod logs;
mod lost_log;
mod metrics;
mod outage;
mod probes;
mod process;
mod resting;
mod scrape;
mod secret_files;
mod storefront;
mod tenant;
mod timeouts;
mod unread;
mod variables;

#[path = "../support/mod.rs"]
mod support;

use support::{forbidden, framing, script};

#[allow(dead_code, reason = "the tests use a part of the example")]
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
