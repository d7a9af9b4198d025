#![forbid(unsafe_code)]
//! Omneo ID
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod auth;
pub mod body;
pub mod clock;
pub mod error;
pub mod future;
pub mod headers;
pub mod identity;
pub mod keys;
pub mod rejection;
pub mod tenant;
pub mod token;

pub use auth::{JwtAuthLayer, TokenVerifier};
pub use body::Body;
pub use identity::{ProfileId, Subject};
pub use keys::{Keyring, SigningKey, VerifyingKey};
pub use rejection::{Rejection, RejectionKind};
pub use tenant::{ApiToken, Tenant};
pub use token::{TokenEndpoint, TokenIssuer};
