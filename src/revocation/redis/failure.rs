use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use ::redis::RedisError;

/// A failed command or connection. Its text contains no credential.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    message: Cow<'static, str>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Failure {
    pub(super) fn new(message: &'static str) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    pub(super) fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// A failed handshake. The error for an unknown command repeats its arguments, and those of
    /// `AUTH` are the credentials: only the code of an error is shown.
    pub(super) fn from_handshake(error: &RedisError) -> Self {
        let message = match error.code() {
            Some(code) => format!("Redis refused the handshake: {}", printable(code)).into(),
            None if error.is_io_error() => "the connection to Redis failed".into(),
            None => "the handshake with Redis failed".into(),
        };
        Self {
            message,
            source: None,
        }
    }

    /// A failed command. Its arguments are keys and revocations, which are not secret.
    pub(super) fn from_command(error: &RedisError) -> Self {
        Self {
            message: format!("Redis: {}", printable(&error.to_string())).into(),
            source: None,
        }
    }
}

/// The text of a server for a log: without control characters, and at most 200 characters.
fn printable(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(200).collect()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}
