//! Omneo ID as a server, in front of a tenant or of the embedded sandbox.
//!
//! ```sh
//! cargo run --release --example standalone
//! ```
//!
//! Without configuration it listens on `127.0.0.1:8080` and prints `curl` lines to paste. `--help`
//! lists the flags and their environment variables. The exit code is 0 after SIGTERM or SIGINT, 1
//! if the server cannot start, and 2 if a flag, a variable or the configuration file is invalid.
//!
//! | file or folder | contents |
//! | --- | --- |
//! | `start`, `failure` | start-up: configuration, log, threads, listeners; an error that ends it |
//! | `reload` | reads the configuration again after SIGHUP |
//! | `app`, `clients` | the stack of layers and services; the clients that call the tenants |
//! | `banner` | the text that is printed at the start |
//! | `request_log` | request ids, the log line of each request, and its counters |
//! | `log_writer` | writes the log in a thread of its own |
//! | `config/` | flags, environment variables and the configuration file |
//! | `tenants/` | the tenants, their readiness and their ended sessions |
//! | `cors/` | origins and headers of cross-origin requests |
//! | `server/` | connections, timeouts, worker threads, graceful shutdown |
//! | `admin/` | health, metrics, OpenAPI description |
//! | `storefront/` | the demonstration page |

mod admin;
mod app;
mod banner;
mod clients;
mod config;
mod cors;
mod failure;
mod log_writer;
mod reload;
mod request_log;
mod server;
mod start;
mod storefront;
mod tenants;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use mimalloc::MiMalloc;

use crate::log_writer::LogWriter;

/// Most allocations are small and live for one request, which suits mimalloc.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The longest wait at the end for the log to be written.
const LOG_FLUSH: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    // All writes to stderr go through this thread: a write to a full pipe would block.
    let Ok(log) = LogWriter::start(io::stderr()) else {
        return ExitCode::FAILURE;
    };
    let code = match start::start(&log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(log.clone()),
    };
    log.flush_within(LOG_FLUSH);
    code
}
