//! Pure rules on request targets: the path that is checked is the path that is forwarded.
//!
//! [`rewrite_me`] is the me rule as a function, on top of [`CanonicalPath`]. [`check_query`] is the
//! rule on queries. [`AccessPolicy`] restricts methods, paths and fields below `/profiles/me`.
//!
//! ```
//! use omneo_id::path::rewrite_me;
//! use omneo_id::Subject;
//!
//! let ada = Subject::Profile("ada-1".parse()?);
//! let rewritten = rewrite_me("//profiles/me/lists/wishlist", &ada).unwrap();
//! assert_eq!(rewritten.as_deref(), Some("/profiles/ada-1/lists/wishlist"));
//! assert!(rewrite_me("/profiles/me/%2e%2e/grace-2", &ada).is_err());
//! assert_eq!(rewrite_me("/locations", &ada), Ok(None));
//! # Ok::<(), omneo_id::identity::InvalidProfileId>(())
//! ```

pub(crate) mod access;
mod canonical;
mod confusable;
mod me;
mod pattern;
mod percent;
mod prefix;
mod query;
mod refusal;

pub(crate) use access::AccessPolicy;
pub use access::AccessRefusal;
pub(crate) use access::{FieldLimit, Permission};
pub use canonical::CanonicalPath;
pub use me::{MeRequest, rewrite_me};
pub(crate) use prefix::plain_prefix;
pub(crate) use query::form_overrides_method;
pub use query::{QueryRefusal, check_query};
pub use refusal::PathRefusal;
