//! Rewrites `/profiles/me` to `/profiles/{id}` of the request's subject.
//!
//! Use it behind a layer that inserts the [`Subject`](crate::Subject) of a request into its
//! extensions, such as this crate's auth layer. The path is parsed once, by the rule in
//! [`path`](crate::path). An ambiguous path is rejected with 404.
//!
//! ```
//! use http::{Request, Response};
//! use omneo_id::{MeRewriteLayer, Subject};
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
//! Every method is permitted on every path of `me`, unless an
//! [`AccessPolicy`](crate::AccessPolicy) restricts them:
//!
//! ```
//! use omneo_id::{AccessPolicy, MeRewriteLayer};
//!
//! let policy = AccessPolicy::allow_all().deny("DELETE", "/")?.deny("*", "/purge")?;
//! let layer = MeRewriteLayer::new().with_access_policy(policy);
//!
//! // Presets: to write what belongs to the person, and no other fields of the profile.
//! let layer = MeRewriteLayer::new().with_access_policy(AccessPolicy::storefront());
//! # Ok::<(), omneo_id::error::ConfigError>(())
//! ```
//!
//! Other paths below `/profiles` are rejected with 404. The layer responds to `OPTIONS` on `me`.
//! `TRACE`, `CONNECT` and methods that are not in upper case are rejected with 405. Queries are
//! checked by [`check_query`](crate::path::check_query). Requests to paths outside `/profiles` are
//! not changed. The layer inserts a [`MeRequest`](crate::path::MeRequest) with the original target
//! into the request's extensions:
//!
//! ```
//! use http::{Request, Response};
//! use omneo_id::{MeRewriteLayer, Subject};
//! use omneo_id::path::MeRequest;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let service = MeRewriteLayer::new().layer(service_fn(async |request: Request<String>| {
//!     let me = request.extensions().get::<MeRequest>().unwrap();
//!     assert_eq!(me.profile().as_str(), "ada-1");
//!     assert_eq!(me.original(), "/profiles/me/lists");
//!     Ok::<_, std::convert::Infallible>(Response::new(String::new()))
//! }));
//! let ada = Subject::Profile("ada-1".parse()?);
//! let request = Request::get("/profiles/me/lists").extension(ada).body(String::new())?;
//! service.oneshot(request).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Caveats
//! An `identity[…]` in the query is rejected: with it, the tenant would treat the id in the path as
//! an external identifier of another profile. Bodies stream without this check, because the tenant
//! documents the parameter for the query only. A tenant that read it from a body would still look
//! up the caller's own id. It would find another profile only if that profile has this id as an
//! external identifier. So do not import an identity whose identifier is another profile's id.

mod body;
pub(crate) mod layer;
mod restricted;
mod rewrite;
mod service;

#[cfg(any(doc, feature = "client"))]
pub(crate) use layer::MeRewriteLayer;
pub use layer::RestrictedMeLayer;
pub use restricted::RestrictedMe;
pub use service::MeRewrite;
