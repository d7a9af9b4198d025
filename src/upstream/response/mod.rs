//! The response to the client: status, headers, body.

mod framing;
mod headers;
mod location;
mod observer;
mod proxied_body;
mod secret_scanner;
mod status;

pub(super) use headers::filter_headers;
pub(super) use observer::{InFlightHandle, ResponseObserver};
pub(super) use proxied_body::ProxiedBody;
pub(super) use status::{Credential, check_status};
