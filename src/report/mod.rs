//! The outcome of a request, for metrics: plain values in the response's extensions.
//!
//! [`OmneoId`](crate::OmneoId) inserts one [`Report`] into every response, so that a host counts
//! and measures without parsing logs. A [`Rejection`](crate::Rejection) beside it has the reason of
//! a rejected request, and an [`UpsertOutcome`](crate::upsert::UpsertOutcome) the result of a
//! sign-up. The forwarding service, the token endpoint and the sign-up also insert a report when
//! they are used alone: it has their calls of the tenant.
//!
//! ```
//! use http::Response;
//! use omneo_id::Rejection;
//! use omneo_id::report::Report;
//!
//! fn count<B>(response: &Response<B>) {
//!     let report = response.extensions().get::<Report>().copied().unwrap_or_default();
//!     let route = report.route().map_or("none", |route| route.name());
//!     let rejection = response.extensions().get::<Rejection>();
//!     let code = rejection.map(|rejection| rejection.kind().code());
//!     let latency = report.tenant().map(|tenant| tenant.latency());
//!     # let _ = (route, code, latency);
//! }
//! # count(&Response::new(()));
//! ```

mod request;
mod route;
mod tenant_calls;
mod token_check;

pub use request::Report;
pub use route::Route;
pub use tenant_calls::TenantCalls;
pub use token_check::TokenCheck;
