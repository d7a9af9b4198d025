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

#[allow(dead_code, reason = "the example uses what these tests do not")]
#[path = "../../examples/standalone/storefront.rs"]
mod demo;

#[allow(dead_code, reason = "the example uses what these tests do not")]
#[path = "../../examples/standalone/config/mod.rs"]
mod config;

#[allow(dead_code, reason = "the example uses what these tests do not")]
#[path = "../../examples/standalone/cors/mod.rs"]
mod cors;

#[allow(dead_code, reason = "the example uses what these tests do not")]
#[path = "../../examples/standalone/descriptors.rs"]
mod connections;

#[path = "../../examples/standalone/gather.rs"]
mod gather;

#[allow(dead_code, reason = "the example uses what these tests do not")]
#[path = "../../examples/standalone/activity.rs"]
mod activity;

#[path = "../../examples/standalone/counted.rs"]
mod counted;

#[allow(dead_code, reason = "the example uses what these tests do not")]
#[path = "../../examples/standalone/limits.rs"]
mod limits;

#[allow(dead_code, reason = "the example uses what these tests do not")]
#[path = "../../examples/standalone/upload.rs"]
mod upload;

#[allow(dead_code, reason = "the example uses what these tests do not")]
#[path = "../../examples/standalone/preface.rs"]
mod preface;
