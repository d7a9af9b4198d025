//! An error that ends the process, its exit code, and its line on stderr.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::sync::OnceLock;

use tracing::error;

use crate::config::LogFormat;
use crate::log_writer::LogWriter;

/// Exit code for an invalid flag, variable or file, as in `clap`.
const USAGE: u8 = 2;

/// An error that ends the process.
pub(crate) struct Failure {
    problem: String,
    code: ExitCode,
}

impl Failure {
    /// An invalid flag, variable or file.
    pub(crate) fn usage(problem: impl Display) -> Self {
        Self {
            problem: problem.to_string(),
            code: ExitCode::from(USAGE),
        }
    }

    /// An error of the system.
    pub(crate) fn serving(problem: impl Display) -> Self {
        Self {
            problem: problem.to_string(),
            code: ExitCode::FAILURE,
        }
    }

    /// Writes the error to stderr, as JSON if the log has that format, and returns the exit code.
    /// Before the configuration is read, a flag or the variable selects the format.
    pub(crate) fn report(self, mut log: LogWriter) -> ExitCode {
        let problem = self.problem;
        if is_json(
            env::args_os(),
            env::var_os("OMNEO_ID_LOG_FORMAT").as_deref(),
        ) {
            let json = tracing_subscriber::fmt()
                .json()
                .flatten_event(true)
                .with_writer(log)
                .finish();
            tracing::subscriber::with_default(json, || error!("{problem}"));
        } else {
            let _ = log.write_all(format!("error: {problem}\n").as_bytes());
        }
        self.code
    }
}

/// The format of the log, once it is set up.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Sets the format of the log.
pub(crate) fn set_format(format: LogFormat) {
    let _ = FORMAT.set(format);
}

/// Whether the log is JSON, before the arguments are parsed: they may be invalid.
fn is_json(mut argv: impl Iterator<Item = OsString>, variable: Option<&OsStr>) -> bool {
    while let Some(argument) = argv.next() {
        if argument == "--log-format" {
            return argv.next().is_some_and(|format| format == "json");
        }
        if let Some(format) = argument
            .to_str()
            .and_then(|argument| argument.strip_prefix("--log-format="))
        {
            return format == "json";
        }
    }
    variable.is_some_and(|format| format == "json")
}
