//! `POST /profiles` for everybody: a known person's consent is changed, a new person is signed up,
//! and the answer does not say which.
//!
//! Use it in front of a service that calls the tenant, behind whatever knows the
//! [`Subject`](crate::Subject) of a request (an anonymous one is enough) or vouches for the caller
//! with [`TrustedCaller`]. Without either, sign-ups are refused with 401.
//!
//! ```
//! use http::{Request, Response, header::CONTENT_TYPE};
//! use http_body_util::{BodyExt, Either, Full};
//! use bytes::Bytes;
//! use omneo_id::Subject;
//! use omneo_id::upsert::{CommsPolicy, CommsUpsertLayer};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut service = ServiceBuilder::new()
//!     .layer(CommsUpsertLayer::new(CommsPolicy::new()))
//!     .service(service_fn(async |request: Request<Either<Full<Bytes>, _>>| {
//!         // The tenant: knows nobody, takes everybody.
//!         let body = match request.method().as_str() {
//!             "GET" => r#"{"data":[]}"#,
//!             _ => r#"{"data":{"id":"ada-1"}}"#,
//!         };
//!         Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(body))))
//!     }));
//!
//! let mut request = Request::post("/profiles")
//!     .header(CONTENT_TYPE, "application/json")
//!     .body(Full::from(r#"{"email":"ada@example.com"}"#))?;
//! request.extensions_mut().insert(Subject::Anonymous);
//! let response = service.ready().await?.call(request).await?;
//! assert_eq!(response.status(), 200);
//! let body = response.into_body().collect().await?.to_bytes();
//! assert_eq!(body, r#"{"data":{"success":true}}"#);
//! # Ok(())
//! # }
//! ```
//!
//! Every other request passes: its future is the inner service's own, its body is
//! [`Either::Left`](http_body_util::Either). The tenant is called with paths that are relative to
//! its API, `/profiles?…`; origin, base path and credential are the inner service's to add.
//!
//! # What happens to a sign-up
//! 1. It is read: JSON in UTF-8, not compressed, at most 64 KiB (415, 413), no key twice, no half
//!    characters, at most 16 levels (400). The request's query is dropped.
//! 2. It is checked against the documented profile (422, every field to blame). `email` is
//!    required. A phone number needs its country code, since guessing one could find another
//!    person, and a trunk zero behind the country code is refused.
//! 3. Its addresses are put into one form: the domain of the e-mail in A-labels (`xn--…`), its
//!    local part in Unicode NFC, ASCII letters in lower case; the phone in E.164, without
//!    separators and invisible characters.
//! 4. The person is looked up by e-mail, then by mobile phone. The tenant's filters match loosely,
//!    so a profile counts only if its address is equal in the same form. A domain that has A-labels
//!    is asked for in A-labels and in U-labels. Of a list, two pages are read at most.
//! 5. A known person: one `PUT /profiles/{id}/attributes/comms` with the consent fields that the
//!    [`CommsPolicy`] recognises and the payload answers, or no request if there are none. Null and
//!    blank strings are no answer. A new person: one `POST /profiles` with the payload, and with
//!    the documented defaults for what is missing, null or blank.
//! 6. If the tenant refuses the new person's address, another sign-up was faster, and 4 and 5
//!    happen once more. If no profile is found then either, the tenant is asked which one has the
//!    address (`POST /profiles/availability`), and believed if that profile shows it.
//!
//! Within the services of one layer, the profile of an e-mail address is created by one sign-up at
//! a time, so that two clicks on one button make one profile; across processes step 6 does that.
//! Other sign-ups of the address wait for the end of the creation, once and for 5 seconds at most,
//! and then look the person up again. With the feature `client` this wait needs the time driver of
//! a tokio runtime; without it there is no timer, and the creation itself is the bound. More than
//! 32 sign-ups of one address at the same time are answered 503 with `Retry-After`. All of it can
//! be repeated without harm, so a caller who gets no answer may try again.
//!
//! [`SignUp`] and [`CommsPolicy::decide`] are steps 1, 2, 3 and 5 as functions, without HTTP.
//!
//! # What an attacker learns
//! Found, created, nothing to do and a lost race are answered with the same status, the same
//! headers in the same order and the same bytes, and so is a payload that breaks a documented rule,
//! as nobody is looked up for it. Whoever asks whether an address is a customer's is left with
//! this:
//!
//! | what is looked at | by default | [uniform latency](CommsPolicy::with_uniform_latency) | [concealed validation](CommsPolicy::conceal_tenant_validation) |
//! | --- | --- | --- | --- |
//! | the answer to a good payload | nothing | nothing | nothing |
//! | how long it took | tells, after a few tries | nothing | tells |
//! | a payload that breaks a rule of the tenant's own | 422 if new, 200 if known | as by default | nothing |
//! | an address that only the tenant takes for another | 502 if that is known | as by default | nothing |
//! | a person whose data leaves a doubt, such as two profiles with one address | 502 | as by default | nothing |
//! | a tenant that fails | 5xx, if one endpoint fails and not another | as by default | as by default |
//!
//! With both, a failing tenant is all that is left.
//!
//! - **Time.** A known person costs the tenant other work than a new one. With a uniform latency
//!   answers go out at multiples of a quantum, counted from the last byte of the request. The
//!   quantum must be longer than the tenant takes for the longest sign-up, which is about five
//!   calls: an answer that overruns it tells again. The number of sign-ups of the same address adds
//!   nothing to that: known people do not wait for each other, new ones for one creation, and the
//!   bound of 32 counts until the answers go out.
//! - **Rules of the tenant's own.** It checks more on creation than is documented, and only new
//!   people are created. Its 422 is relayed by default, because people must be able to correct
//!   their form; one such rule tells that an identity, a shop's customer number say, has a profile.
//!   Concealed, it is answered 200, and the sign-up is lost but for an event in the log.
//! - **Addresses.** Here addresses are the same if they are equal in the form of step 3; to the
//!   tenant's database `é` may be `e`. It then refuses to create a person whom no look-up finds.
//!   That is never relayed, since it would say outright that there is a customer, and never
//!   answered with the consent of the other profile changed: it is a 502 and an error in the log,
//!   or concealed as above.
//! - **Doubts.** Two profiles may have the same address; a profile may have an id that cannot be
//!   part of a path, or be listed and not be updatable. An unknown person never meets these errors,
//!   so they are concealed as well, with an error in the log. A failure of the tenant that does not
//!   depend on the person is answered as one: concealed, an outage would lose sign-ups unnoticed.
//! - **What was done.** A person who was new has a profile now, and may get a mail. No setting
//!   hides that.
//!
//! ```
//! # #[cfg(feature = "client")]
//! # fn main() -> Result<(), omneo_id::error::ConfigError> {
//! use std::time::Duration;
//! use omneo_id::upsert::{CommsPolicy, CommsUpsertLayer};
//!
//! let policy = CommsPolicy::new()
//!     .with_uniform_latency(Duration::from_secs(3))?
//!     .conceal_tenant_validation();
//! let layer = CommsUpsertLayer::new(policy);
//! # let _ = layer;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "client"))]
//! # fn main() {}
//! ```
//!
//! # What is left to the host
//! A new person brings any field of a profile, as the service documents, identities and balances
//! included: what an anonymous caller may set of them is for the scopes of the API token to limit.
//!
//! Limit how often one client may call this; a `tower` layer in front sees the route as it is. Give
//! the request's body a deadline, with `IdleTimeout` in [`body`](crate::body) for example, because
//! a sign-up waits for all of it.

mod answer;
mod availability;
mod call;
mod comms;
mod decide;
mod email;
mod find;
mod flow;
mod formats;
mod in_flight;
mod json;
mod layer;
mod lookup;
mod outcome;
mod phone;
mod policy;
mod read;
mod schema;
mod service;
mod sign_up;
mod tenant_errors;
mod text;
mod uniform_latency;
mod validate;

pub use decide::Decision;
pub use layer::CommsUpsertLayer;
pub use outcome::UpsertOutcome;
pub use policy::CommsPolicy;
pub use service::{CommsUpsert, TrustedCaller};
pub use sign_up::SignUp;
