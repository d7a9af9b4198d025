//! The response to the client: status, headers, body.
//!
//! | file | role |
//! | --- | --- |
//! | `status` | whether a response of this status is forwarded |
//! | `headers`, `location`, `framing` | header policy; `Location`; `Content-Length` |
//! | `proxied_body` | the body: idle timeout, scan, trailers |
//! | `filter` | `ResponseFilter`: removes secrets and filters trailers |
//! | `secret_scanner` | finds the API token in a body |

mod filter;
mod framing;
mod headers;
mod location;
mod proxied_body;
mod secret_scanner;
mod status;

pub(super) use filter::{InFlightHandle, ResponseFilter};
pub(super) use headers::filter_headers;
pub(super) use proxied_body::ProxiedBody;
pub(super) use status::{CallCredential, check_status};
