//! The body of a request to the tenant, and the state of its upload.
//!
//! [`Upstream`](crate::Upstream) wraps the client's body in a `RequestBody` and
//! [`HttpClient`](crate::client::HttpClient) sends it. Both share its `UploadState`: the deadline
//! pauses while the client has not sent its data, and the connection waits for the upload's end.
//!
//! | file | role |
//! | --- | --- |
//! | `body` | `RequestBody`: idle timeout, declared length, no trailers; `ClientBodyError` |
//! | `length` | the check of the declared length |
//! | `upload_state` | `UploadState`: which side is awaited (`WaitingOn`), and why the body failed |
//! | `in_flight` | the limit of requests in flight, and its `InFlightGuard` |
//! | `call_budget` | `CallBudget`: a limit that several tenants share |
//! | `replayable` | the marker of requests that may be sent twice although they are `POST`s |
//!
//! Without the feature `client` only the marker exists: `TokenEndpoint` and the sign-up service set
//! it for the service that calls the tenant.

#[cfg(feature = "client")]
mod body;
#[cfg(feature = "client")]
mod call_budget;
#[cfg(feature = "client")]
mod in_flight;
#[cfg(feature = "client")]
mod length;
mod replayable;
#[cfg(feature = "client")]
mod upload_state;

#[cfg(feature = "client")]
pub(crate) use body::StreamGuard;
#[cfg(feature = "client")]
pub use body::{ClientBodyError, RequestBody};
#[cfg(feature = "client")]
pub use call_budget::{CallBudget, CallBudgetStats};
#[cfg(feature = "client")]
pub(crate) use in_flight::{InFlight, InFlightGuard, LimitReached};
pub(crate) use replayable::Replayable;
#[cfg(feature = "client")]
pub(crate) use upload_state::{InFlightRef, UploadState, WaitingOn};
