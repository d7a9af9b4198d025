// Of two definitions of a link the first counts: in these pages, the README's lead here.
#![cfg_attr(
    all(feature = "client", any(feature = "aws-lc-rs", feature = "rust-crypto")),
    doc = "[security]: docs::security\n[operations]: docs::operations\n[observability]: docs::observability\n\n",
    doc = include_str!("../README.md")
)]
#![cfg_attr(
    not(all(
        feature = "client",
        any(feature = "aws-lc-rs", feature = "rust-crypto")
    )),
    doc = "Omneo ID as tower layers."
)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

pub mod auth;
pub mod body;
pub mod clock;
#[cfg(all(doc, feature = "client"))]
pub mod docs;
pub mod error;
pub mod future;
pub mod headers;
pub mod identity;
pub mod keys;
pub mod me;
#[cfg(feature = "client")]
pub mod omneo_id;
pub mod path;
mod read;
pub mod rejection;
pub mod report;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod tenant;
pub mod token;
pub mod upsert;
#[cfg(feature = "client")]
pub mod upstream;

pub use auth::{JwtAuthLayer, TokenVerifier};
pub use body::Body;
pub use identity::{ProfileId, Subject};
pub use keys::{Keyring, SigningKey, VerifyingKey};
pub use me::MeRewriteLayer;
#[cfg(feature = "client")]
pub use omneo_id::{OmneoId, OmneoIdBuilder};
pub use path::AccessPolicy;
pub use rejection::{Rejection, RejectionKind};
pub use tenant::{ApiToken, Tenant};
pub use token::{TokenEndpoint, TokenIssuer};
#[cfg(feature = "client")]
pub use upstream::Upstream;
