//! The crate's own responses, from one table.
//!
//! A [`Rejection`] is a [`RejectionKind`] with the details of one case: a `Retry-After`, the
//! invalid fields, the cause. The kind decides status, code, message and gRPC status. HTTP, gRPC
//! and gRPC-Web requests each get the response in their own
//! [`WireProtocol`](crate::headers::WireProtocol). Clients receive the kind's message; the cause
//! stays in the response's extensions, for logs:
//!
//! ```
//! use omneo_id::headers::WireProtocol;
//! use omneo_id::{Rejection, RejectionKind};
//!
//! let rejection = Rejection::new(RejectionKind::InvalidToken);
//! let response = rejection.into_response(WireProtocol::Http);
//! assert_eq!(response.status(), 401);
//! let rejection = response.extensions().get::<Rejection>().unwrap();
//! assert_eq!(rejection.kind(), RejectionKind::InvalidToken);
//! ```

mod fields;
pub(crate) mod kind;
mod response;
mod tenant_status;
pub(crate) mod value;

pub use fields::FieldErrors;
pub(crate) use kind::RejectionKind;
pub(crate) use response::no_content;
pub use response::options;
pub(crate) use tenant_status::TenantStatusRules;
pub(crate) use value::Rejection;
