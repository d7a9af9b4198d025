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

    /// Whether an HTTP/2 tenant said that it has not begun to work on this request: `REFUSED_STREAM`
    /// ([RFC 9113 §8.7](https://www.rfc-editor.org/rfc/rfc9113#section-8.7)), or a `GOAWAY` without
    /// an error, which fails only the requests behind the last one that it names.
    pub(super) fn was_given_back(&self) -> bool {
        let mut cause: Option<&(dyn Error + 'static)> = self.0.source();
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<h2::Error>() {
                return error.is_remote()
                    && match error.reason() {
                        Some(h2::Reason::REFUSED_STREAM) => error.is_reset(),
                        Some(h2::Reason::NO_ERROR) => error.is_go_away(),
                        _ => false,
                    };
            }
            cause = error.source();
        }
        false
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
