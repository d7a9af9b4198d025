//! One call of the tenant: from the client's request to the answer that the client gets.

mod deadline;
#[cfg(feature = "tracing")]
mod events;
mod exchange;
pub(in crate::upstream) mod failure;
mod future;

pub(in crate::upstream) use exchange::Exchange;
pub use future::ResponseFuture;
