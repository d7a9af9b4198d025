use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::BoxError;

/// Why a tenant could not be loaded from its [`TenantSource`](super::TenantSource).
///
/// It is the [`source`](Error::source) of the [`Rejection`](crate::Rejection) that the client
/// receives, for logs. Clones share the error of the source.
#[derive(Clone, Debug)]
pub struct TenantLoadError(Cause);

#[derive(Clone, Debug)]
pub(super) enum Cause {
    /// An error of the source.
    Source(Arc<dyn Error + Send + Sync>),
    /// The settings that the source returned are invalid.
    Settings(Arc<dyn Error + Send + Sync>),
    Timeout(Duration),
    /// The limit of concurrent loads, which is reached.
    Busy(usize),
    /// The task of the load has panicked, or its runtime was shut down.
    Aborted,
}

impl TenantLoadError {
    pub(super) fn new(cause: Cause) -> Self {
        Self(cause)
    }

    pub(super) fn source(error: BoxError) -> Self {
        Self(Cause::Source(error.into()))
    }

    pub(super) fn settings(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Cause::Settings(Arc::new(error)))
    }
}

impl fmt::Display for TenantLoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Source(_) => f.write_str("the source of tenants failed"),
            Cause::Settings(_) => f.write_str("the settings of the tenant are invalid"),
            Cause::Timeout(timeout) => {
                write!(
                    f,
                    "the source of tenants did not respond within {timeout:?}"
                )
            }
            Cause::Busy(max) => write!(f, "{max} tenants are being loaded"),
            Cause::Aborted => f.write_str("the load of the tenant was aborted"),
        }
    }
}

impl Error for TenantLoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Cause::Source(source) | Cause::Settings(source) => Some(&**source),
            Cause::Timeout(_) | Cause::Busy(_) | Cause::Aborted => None,
        }
    }
}
