//! The body of a request to the tenant, and the state of its upload.
//!
//! [`Upstream`](crate::Upstream) wraps the client's body in a `RequestBody` and
//! [`HttpClient`](crate::client::HttpClient) sends it. Both share its `UploadState`: the deadline
//! needs to know which side it waits for, and the connection whether the upload is finished.
//!
//! | file | role |
//! | --- | --- |
//! | `body` | `RequestBody`: idle timeout, declared length, no trailers; `ClientBodyError` |
//! | `length` | the check of the declared length |
//! | `upload_state` | `UploadState`: which side is awaited (`WaitingOn`), and why the body failed |
//! | `in_flight` | the limit of requests in flight, and its `InFlightGuard` |
//! | `stream_guard` | keeps an HTTP/2 stream reserved until the body is dropped |
//! | `replayable` | the marker of requests that may be sent twice although they are `POST`s |

mod body;
mod in_flight;
mod length;
mod replayable;
mod stream_guard;
mod upload_state;

pub use body::{ClientBodyError, RequestBody};
pub(crate) use in_flight::{InFlight, InFlightGuard};
pub(crate) use replayable::Replayable;
pub(crate) use stream_guard::StreamGuard;
pub(crate) use upload_state::{InFlightRef, UploadState, WaitingOn};
