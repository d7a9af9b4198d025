//! Pure rules on paths.

mod me_request;

pub use me_request::MeRequest;
