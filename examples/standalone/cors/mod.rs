//! Cross-origin requests (CORS): parsing of origins and header names, and the policy made of them.

mod headers;
mod origins;
mod policy;

pub(crate) use self::headers::header_names;
pub(crate) use self::origins::parse_origins;
pub(crate) use self::policy::Cors;
