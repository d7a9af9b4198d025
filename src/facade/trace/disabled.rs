use http::{Request, Response};

use crate::tenant::Tenant;

/// No span: the feature `tracing` is disabled.
#[derive(Debug)]
pub(in crate::facade) struct Trace;

impl Trace {
    pub(in crate::facade) fn new<B>(_: &Request<B>, _: Option<&Tenant>) -> Self {
        Self
    }

    pub(in crate::facade) fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        work()
    }

    pub(in crate::facade) fn record_response<B>(&self, _: &Response<B>) {}
}
