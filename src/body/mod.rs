//! Bodies: [`Body`], of any origin, and [`ResponseBody`], of an inner service or of a layer.
//!
//! Use [`Body`] where one type must represent every body: the facade returns it. The layers are
//! generic: they respond with a [`ResponseBody`] of the inner service's body.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use omneo_id::{Body, MeRewriteLayer};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let inner = service_fn(async |_: Request<Body>| {
//!     let body = Full::new(Bytes::from("from the inner service"));
//!     Ok::<_, std::convert::Infallible>(Response::new(body))
//! });
//! let layered = MeRewriteLayer::new().layer(inner);
//!
//! let response = layered.clone().oneshot(Request::new(Body::empty())).await?;
//! // The body of the inner service, without a box.
//! assert!(response.into_body().into_inner().is_ok());
//!
//! let rejected = layered.oneshot(Request::get("/profiles/ada-1").body(Body::empty())?).await?;
//! assert_eq!(rejected.into_body().collect().await?.to_bytes(), r#"{"message":"Not found."}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

pub(crate) mod erased;
#[cfg(feature = "client")]
mod idle;
mod response;

pub(crate) use erased::Body;
#[cfg(feature = "client")]
pub use idle::{IdleError, IdleTimeout};
pub use response::ResponseBody;
