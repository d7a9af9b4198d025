//! The subject of a request.
//!
//! The layers of this crate share [`Subject`]. The auth layer inserts a [`VerifiedToken`] into the
//! request's extensions. A host that authenticates by other means (a session cookie, mutual TLS)
//! inserts a plain [`Subject`] instead; the layers behind it work the same:
//!
//! ```
//! use http::Request;
//! use omneo_id::{ProfileId, Subject};
//!
//! let mut request = Request::new(());
//! let ada: ProfileId = "3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10".parse()?;
//! request.extensions_mut().insert(Subject::Profile(ada));
//! assert!(Subject::from_extensions(request.extensions()).is_some());
//! # Ok::<(), omneo_id::identity::InvalidProfileId>(())
//! ```

mod extra;
pub(crate) mod subject;

pub(crate) use extra::ExtraClaims;
pub use extra::InvalidClaim;
pub use subject::{Claims, InvalidProfileId, VerifiedToken};
pub(crate) use subject::{ProfileId, Subject};
