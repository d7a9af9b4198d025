//! One call of the tenant: from the client's request to the response that the client receives.

mod classify;
mod deadline;
#[cfg(feature = "tracing")]
mod events;
mod exchange;
mod future;

pub(super) use classify::rejection_kind;
pub(super) use exchange::Exchange;
pub use future::ResponseFuture;
