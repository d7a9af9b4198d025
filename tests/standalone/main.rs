//! The standalone server as a process: flags, answers, signals. And its flags alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod abuse;
mod answers;
mod ending;
mod flags;
mod guide;
mod outage;
mod process;
mod tenant;

#[allow(dead_code, reason = "the example uses what these tests do not")]
#[path = "../../examples/standalone/config.rs"]
mod config;
