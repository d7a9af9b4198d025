//! The standalone server as a process: flags, answers, signals. And its flags alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod abuse;
mod answers;
mod describe;
mod empty_verify;
mod ending;
mod flags;
mod gathering;
mod guide;
mod key_files;
mod metrics;
mod outage;
mod process;
mod resting;
mod scrape;
mod storefront;
mod tenant;

#[path = "../it/support/forbidden.rs"]
mod forbidden;

#[allow(dead_code, reason = "the example uses what these tests do not")]
#[path = "../../examples/standalone/config.rs"]
mod config;

#[path = "../../examples/standalone/cors.rs"]
mod cors;

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
