//! Access policies for paths below `me`: methods, paths, fields, and presets of them.

mod decoded;
mod fields;
mod policy;
mod presets;
mod refusal;
mod rule;

pub(crate) use fields::FieldLimit;
pub use policy::AccessPolicy;
pub(crate) use policy::Permission;
pub use refusal::AccessRefusal;
