//! Bodies: [`Body`], of any origin, and [`ResponseBody`], an inner service's or one of ours.
//!
//! Use [`Body`] where one type has to stand for all: the facade takes and gives it. The layers are
//! generic, and answer with a [`ResponseBody`] of whatever the service behind them answers with.
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
//!     let body = Full::new(Bytes::from("the service's own"));
//!     Ok::<_, std::convert::Infallible>(Response::new(body))
//! });
//! let layered = MeRewriteLayer::new().layer(inner);
//!
//! let passed = layered.clone().oneshot(Request::new(Body::empty())).await?;
//! // Nothing was boxed: the inner body is still there.
//! assert!(passed.into_body().into_inner().is_ok());
//!
//! let refused = layered.oneshot(Request::get("/profiles/ada-1").body(Body::empty())?).await?;
//! assert_eq!(refused.into_body().collect().await?.to_bytes(), r#"{"message":"Not found."}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

#[cfg(feature = "client")]
mod driven;
mod erased;
#[cfg(feature = "client")]
mod idle;
#[cfg(feature = "client")]
mod relayed;
mod response;
#[cfg(feature = "client")]
mod screen;

#[cfg(feature = "client")]
pub use driven::DrivenBody;
#[cfg(feature = "client")]
pub(crate) use driven::{Carrier, StreamGuard};
pub use erased::Body;
#[cfg(feature = "client")]
pub use idle::{IdleError, IdleTimeout};
#[cfg(feature = "client")]
pub(crate) use relayed::{Relayed, Watch};
pub use response::ResponseBody;
#[cfg(feature = "client")]
pub(crate) use screen::{Secret, SecretFound};
