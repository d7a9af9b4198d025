//! The tracing span of a request; without the feature `tracing`, an empty type.

#[cfg(not(feature = "tracing"))]
mod disabled;
#[cfg(feature = "tracing")]
mod span;

#[cfg(not(feature = "tracing"))]
pub(super) use disabled::Trace;
#[cfg(feature = "tracing")]
pub(super) use span::Trace;
