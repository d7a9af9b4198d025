//! The body of a request on its way to the tenant, and how far its upload has come.
//!
//! The forwarding service makes it and the client sends it; both read its [`UploadState`].

mod body;
mod in_flight;
mod length;
mod stream_guard;
mod upload_state;

pub use body::{ClientBodyError, RequestBody};
pub(crate) use in_flight::{InFlight, InFlightGuard};
pub(crate) use stream_guard::StreamGuard;
pub(crate) use upload_state::{InFlightRef, UploadState, WaitingOn};
