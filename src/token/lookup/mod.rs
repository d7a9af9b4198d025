//! The look-up of a subject at the tenant: its request, the call, and the interpretation of the
//! answer.

mod answer;
mod call;
mod query;

pub(super) use call::{CallError, Caller, look_up};
pub(super) use query::Lookup;
