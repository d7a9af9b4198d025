//! JSON that every reader understands alike: a strict reader, and a writer that keeps each number
//! as it was sent.

mod reader;
mod value;

pub(super) use reader::parse;
pub(super) use value::{Json, Object};
