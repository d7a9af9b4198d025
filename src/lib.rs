// If a link has two definitions, the first one applies: in rustdoc, the README's links to its pages
// lead to the modules of `docs`.
#![cfg_attr(
    all(feature = "client", any(feature = "aws-lc-rs", feature = "rust-crypto")),
    doc = "[security]: docs::security",
    doc = "[operations]: docs::operations",
    doc = "[deployment]: docs::deployment",
    doc = "[observability]: docs::observability",
    doc = "[architecture]: docs::architecture\n\n",
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

#[macro_use]
mod macros;

pub mod auth;
pub mod body;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
pub mod client_info;
pub mod clock;
#[cfg(all(doc, feature = "client"))]
pub mod docs;
pub mod error;
#[cfg(feature = "client")]
mod facade;
pub mod future;
pub mod headers;
pub mod identity;
pub mod keys;
pub mod me;
pub mod path;
mod read;
pub mod rejection;
pub mod report;
mod request_body;
pub mod revocation;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod tenant;
#[cfg(feature = "client")]
pub mod tenants;
#[cfg(feature = "tls")]
mod tls;
pub mod token;
pub mod upsert;
#[cfg(feature = "client")]
pub mod upstream;
pub mod webhook;

pub use auth::layer::JwtAuthLayer;
pub use auth::verify::TokenVerifier;
pub use body::erased::Body;
#[cfg(feature = "client")]
pub use facade::{OmneoId, OmneoIdBuilder, OmneoIdFuture, OmneoIdStats};
pub use identity::subject::{ProfileId, Subject};
pub use keys::keyring::Keyring;
pub use keys::signing::SigningKey;
pub use keys::verifying::VerifyingKey;
pub use me::layer::MeRewriteLayer;
pub use path::access::AccessPolicy;
pub use rejection::kind::RejectionKind;
pub use rejection::value::Rejection;
pub use revocation::revocations::Revocations;
pub use tenant::api_token::ApiToken;
pub use tenant::settings::Tenant;
#[cfg(feature = "client")]
pub use tenants::service::OmneoIdTenants;
pub use token::issue::TokenIssuer;
pub use token::mint::service::TokenEndpoint;
#[cfg(feature = "client")]
pub use upstream::service::Upstream;
pub use webhook::service::WebhookEndpoint;
