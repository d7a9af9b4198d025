//! Tracks HTTP/1.1 request bodies that a handler may still read. Until such a body is dropped,
//! bytes on its connection belong to it and not to the next request, even if the response has
//! ended.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use omneo_id::Body;

use super::connection_activity::ConnectionActivity;

/// An open request body. All clones count once. It is in the request's extensions until
/// [`with_tracked_body`] moves it into the body.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    _guard: Arc<UploadGuard>,
}

impl Upload {
    pub(crate) fn begin(activity: &Arc<ConnectionActivity>) -> Self {
        activity.begin_upload();
        let activity = Arc::clone(activity);
        Self {
            _guard: Arc::new(UploadGuard(activity)),
        }
    }
}

#[derive(Debug)]
struct UploadGuard(Arc<ConnectionActivity>);

impl Drop for UploadGuard {
    fn drop(&mut self) {
        self.0.end_upload();
    }
}

/// The request with the body type of the stack. Only a request with a body allocates.
pub(crate) fn with_tracked_body(mut request: Request<Incoming>) -> Request<Body> {
    if request.body().is_end_stream() {
        return request.map(|_| Body::empty());
    }
    match request.extensions_mut().remove() {
        None => request.map(Body::new),
        Some(upload) => request.map(|body| {
            Body::new(TrackedUpload {
                body,
                _upload: upload,
            })
        }),
    }
}

struct TrackedUpload {
    body: Incoming,
    // Dropped after the body: `hyper` registers the drop of the body first.
    _upload: Upload,
}

impl HttpBody for TrackedUpload {
    type Data = <Incoming as HttpBody>::Data;
    type Error = <Incoming as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
