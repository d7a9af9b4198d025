//! `/profiles/me` of whoever asks, as `/profiles/{id}`.
//!
//! Use it behind anything that knows the [`Subject`](crate::Subject) of a request: this crate's
//! auth layer, or an application that inserts one itself. The path is read once, by the rule in
//! [`path`](crate::path); what cannot be read in one way only is answered 404 and goes nowhere.
//!
//! ```
//! use http::{Request, Response};
//! use omneo_id::Subject;
//! use omneo_id::me::MeRewriteLayer;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut service = ServiceBuilder::new()
//!     .layer(MeRewriteLayer::new())
//!     .service(service_fn(async |request: Request<String>| {
//!         assert_eq!(request.uri(), "/profiles/ada-1/balances?page=2");
//!         Ok::<_, std::convert::Infallible>(Response::new(String::new()))
//!     }));
//!
//! let mut request = Request::get("/profiles/me/balances?page=2").body(String::new())?;
//! request.extensions_mut().insert(Subject::Profile("ada-1".parse()?));
//! let response = service.ready().await?.call(request).await?;
//! assert_eq!(response.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! Everything of `me` may be asked, unless an [`AccessPolicy`](crate::path::AccessPolicy) says
//! less:
//!
//! ```
//! use omneo_id::me::MeRewriteLayer;
//! use omneo_id::path::AccessPolicy;
//!
//! let policy = AccessPolicy::allow_all().deny("DELETE", "/")?.deny("*", "/purge")?;
//! let layer = MeRewriteLayer::new().with_access(policy);
//! # Ok::<(), omneo_id::error::ConfigError>(())
//! ```
//!
//! What is below `/profiles` and is not `me` is 404. `OPTIONS` on `me` is answered here, `TRACE`,
//! `CONNECT` and methods that are not in capitals are refused with 405, queries are checked by
//! [`check_query`](crate::path::check_query). Every other path passes untouched. Behind the layer,
//! the request's extensions hold a [`MeRequest`](crate::path::MeRequest) with the original target.
//!
//! # Caveats
//! An `identity[…]` in the query is refused, as the tenant would take the id in the path for
//! somebody's external identifier. In a body it is not looked for: the tenant documents the
//! parameter for the query, bodies of any kind and size stream through here unread, and a tenant
//! that merged the two would still be handed the caller's own id, which finds somebody else only
//! where that somebody has it as an external identifier. So import no identity whose identifier is
//! another profile's id.

mod content;
mod future;
mod layer;
mod restricted;
mod rule;
mod service;

pub use future::RestrictedFuture;
pub use layer::{MeRewriteLayer, RestrictedMeLayer};
pub use restricted::RestrictedMe;
pub use service::MeRewrite;
