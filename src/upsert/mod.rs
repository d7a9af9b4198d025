//! Anonymous sign-ups over `POST /profiles`: a new person gets a profile, and an existing profile
//! changes only in its consent. The response does not reveal which.
//!
//! Use it in front of a service that forwards requests to the tenant. A layer in front of it must
//! authorize the caller: with a [`Subject`](crate::Subject) in the request's extensions (an
//! anonymous one is enough), or with [`TrustedCaller`]. A sign-up with neither is rejected with
//! 401.
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
//!         // A tenant without profiles that accepts every creation.
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
//! Every other request passes unchanged: its future is the future of the inner service, and its
//! body is [`Either::Left`](http_body_util::Either). Requests of this layer have paths relative to
//! the tenant's API, such as `/profiles?…`; the inner service adds the origin, the base path and
//! the credential.
//!
//! # Processing a sign-up
//! 1. The body is read. It must be unencoded JSON in UTF-8 (415) of at most 64 KiB (413), without
//!    duplicate keys, halves of surrogate pairs, or more than 16 levels (400). The query is
//!    dropped.
//! 2. The payload is validated against the documented schema of a profile (422, with every invalid
//!    field). `email` is required. A phone number needs its country code, because a guessed one
//!    could yield the number of another person. A trunk zero after the country code is invalid.
//! 3. Addresses are normalized. E-mail: the domain in A-labels (`xn--…`), the local part in Unicode
//!    NFC, ASCII letters in lower case. Phone: E.164, without separators and invisible characters.
//! 4. The person is looked up by e-mail, then by mobile phone. The tenant's filters match loosely,
//!    so a profile counts only if its normalized address is equal. A domain with A-labels is
//!    queried in A-labels and in U-labels. At most two pages of a list are read.
//! 5. If a profile is found, one `PUT /profiles/{id}/attributes/comms` sends the consent fields
//!    that the [`CommsPolicy`] recognizes and that have a value. Null and blank strings count as
//!    missing; without any value, no request is sent. If no profile is found, one `POST /profiles`
//!    sends the payload, with the documented defaults for missing, null and blank fields.
//! 6. If the tenant rejects the address of a creation as taken, another sign-up has created the
//!    profile, and steps 4 and 5 are repeated once. If the look-up still finds no profile, the
//!    owner of the address is queried (`POST /profiles/availability`). Its profile is updated if it
//!    has exactly this address.
//!
//! The services of one layer create the profile of an address one at a time, so that a double click
//! creates one profile. Across processes, step 6 ensures this. Sign-ups do not queue:
//!
//! - Only creations wait. Updates of existing profiles run concurrently.
//! - A creation waits once, until the creation in progress ends, and for 5 seconds at most (503
//!   after that). Then its look-up is repeated. With the feature `client`, the wait needs the time
//!   driver of a tokio runtime. Without the feature the layer has no timer, and the wait lasts as
//!   long as the creation.
//! - At most 32 sign-ups of one address are in flight. Further ones are rejected with 503 and
//!   `Retry-After`.
//!
//! A sign-up is idempotent, so a client without a response may retry it.
//!
//! [`SignUp`] and [`CommsPolicy::decide`] implement steps 1, 2, 3 and 5 as functions without HTTP.
//!
//! # What a response reveals
//! An update, a creation, an unchanged profile and a lost race have the same response: status,
//! headers, their order, and body. An invalid payload is rejected before the look-up, so its 422
//! does not depend on the person either. The following can reveal whether an address belongs to a
//! customer:
//!
//! | observation | default | [uniform latency](CommsPolicy::with_uniform_latency) | [concealed validation](CommsPolicy::conceal_tenant_validation) |
//! | --- | --- | --- | --- |
//! | the response to a valid payload | reveals nothing | reveals nothing | reveals nothing |
//! | the response time | reveals it after a few requests | reveals nothing | reveals it after a few requests |
//! | a payload that violates one of the tenant's own rules | 422 if new, 200 if known | as by default | reveals nothing |
//! | an address that equals another only in the tenant's collation | 502 if the other is known | as by default | reveals nothing |
//! | ambiguous data of the person, such as two profiles with one address | 502 | as by default | reveals nothing |
//! | a failing tenant | 5xx, if one endpoint fails and another does not | as by default | as by default |
//!
//! With both options, only a failing tenant remains.
//!
//! - **Response time.** Updates and creations cost the tenant different work. With uniform latency,
//!   responses are delayed to multiples of a quantum, counted from the last byte of the request.
//!   The quantum must be longer than the longest sign-up, about five tenant calls: a slower
//!   response reveals its duration again. The number of concurrent sign-ups of an address adds
//!   nothing to that. Known people do not wait, new people wait for one creation, and a sign-up
//!   counts towards the limit of 32 until its response is sent.
//! - **The tenant's own rules.** The tenant validates more than the documented schema, and only for
//!   creations. By default its 422 is relayed, because people must be able to correct their input.
//!   Such a rule can reveal that an identity, such as a shop's customer number, has a profile. If
//!   concealed, the response is 200, and the sign-up is lost except for an event in the log.
//! - **Collation.** This layer compares normalized addresses (step 3). The tenant's database may
//!   compare `é` and `e` as equal. It then rejects a creation although no look-up finds a profile.
//!   That 422 is never relayed, because it would reveal a customer, and the consent of the other
//!   profile is never changed. The response is 502 with an error in the log, or concealed as above.
//! - **Ambiguous data.** Two profiles may have the same address. The id of a profile may be an
//!   invalid path segment, or a listed profile may not be updatable. An unknown person never causes
//!   these errors, so the same option conceals them, with an error in the log. A failure of the
//!   tenant that does not depend on the person is never concealed: an outage would lose sign-ups
//!   unnoticed.
//! - **Side effects.** A new person has a profile afterwards, and may receive an e-mail. No option
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
//! # Responsibilities of the host
//! A new profile contains every field of the payload, as the service documents, including
//! identities and balances. Limit the fields that an anonymous caller may set with the scopes of
//! the API token.
//!
//! Limit the rate of sign-ups per client, for example by a `tower` layer in front of this one. Set
//! a deadline for the request body, for example with `IdleTimeout` in [`body`](crate::body): a
//! sign-up waits for the complete body.
//!
//! # Files
//!
//! | file | role |
//! | --- | --- |
//! | `layer`, `service` | `CommsUpsertLayer` and `CommsUpsert` |
//! | `policy`, `outcome` | `CommsPolicy`; `UpsertOutcome` |
//! | `read_body`, `sign_up` | read the request; `SignUp`, the validated payload |
//! | `validate`, `schema`, `json` | check a payload against the documented fields |
//! | `email`, `phone`, `formats`, `invisible`, `comms` | the rules of single fields |
//! | `in_flight`, `process` | the sign-ups in flight; look-up, then update or creation |
//! | `find_profile`, `lookup`, `availability` | the calls of a look-up; queries and responses |
//! | `decide` | the write that follows a look-up |
//! | `tenant_client`, `tenant_response` | the calls of the tenant; its responses |
//! | `tenant_errors` | the tenant's validation errors |
//! | `uniform_latency` | delays the response |

mod availability;
mod comms;
mod decide;
mod email;
mod find_profile;
mod formats;
mod in_flight;
mod invisible;
mod json;
mod layer;
mod lookup;
mod outcome;
mod phone;
mod policy;
mod process;
mod read_body;
mod schema;
mod service;
mod sign_up;
mod tenant_client;
mod tenant_errors;
mod tenant_response;
mod uniform_latency;
mod validate;

pub use decide::Decision;
pub use layer::CommsUpsertLayer;
pub use outcome::UpsertOutcome;
pub use policy::CommsPolicy;
pub use service::{CommsUpsert, TrustedCaller};
pub use sign_up::SignUp;
