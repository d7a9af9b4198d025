use std::error::Error;
use std::fmt;
use std::time::Duration;

use hyper_util::client::legacy;

/// Why [`HttpClient`](super::HttpClient) has no response to give. The details are its sources.
#[derive(Debug)]
pub struct ClientError(legacy::Error);

impl ClientError {
    pub(super) fn new(error: legacy::Error) -> Self {
        Self(error)
    }

    /// Whether there was no connection yet, so that certainly nothing was sent.
    pub fn is_connect(&self) -> bool {
        self.0.is_connect()
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_connect() {
            "no connection could be made"
        } else {
            "the connection failed"
        })
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// Name, TCP and TLS together took too long.
#[derive(Clone, Copy, Debug)]
pub(in crate::upstream) struct ConnectTimeout(pub(super) Duration);

impl fmt::Display for ConnectTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connecting took longer than {:?}", self.0)
    }
}

impl Error for ConnectTimeout {}
