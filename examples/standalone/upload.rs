//! The body of a request, noted for as long as somebody may read on: until then what comes over its
//! connection is no next request, even if the answer is over.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use omneo_id::Body;

use crate::activity::Activity;

/// One for all clones, among a request's extensions until its body is taken.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    _open: Arc<Open>,
}

impl Upload {
    pub(crate) fn begin(activity: &Arc<Activity>) -> Self {
        activity.begin_upload();
        let activity = Arc::clone(activity);
        Self {
            _open: Arc::new(Open(activity)),
        }
    }
}

#[derive(Debug)]
struct Open(Arc<Activity>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.end_upload();
    }
}

/// The request as it goes on. Only one with a body to come costs a box.
pub(crate) fn take(mut request: Request<Incoming>) -> Request<Body> {
    if request.body().is_end_stream() {
        return request.map(|_| Body::empty());
    }
    match request.extensions_mut().remove() {
        None => request.map(Body::new),
        Some(upload) => request.map(|body| {
            Body::new(Noted {
                body,
                _upload: upload,
            })
        }),
    }
}

struct Noted {
    body: Incoming,
    // After the body: `hyper` knows that nobody reads on once this is gone.
    _upload: Upload,
}

impl HttpBody for Noted {
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
