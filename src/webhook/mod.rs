//! Webhooks: if the tenant announces that a profile was deleted or merged, its tokens end.
//!
//! [`WebhookEndpoint`] is the service of `POST /hooks/omneo`. Use it beside verifiers that have
//! [`Revocations`](crate::Revocations), as the target of a webhook in Omneo's console;
//! [`OmneoIdBuilder::webhook`](crate::OmneoIdBuilder::webhook) adds it to the complete service.
//!
//! ```
//! use omneo_id::{Keyring, Revocations, SigningKey, Subject, TokenIssuer, TokenVerifier};
//! use omneo_id::WebhookEndpoint;
//! # #[cfg(all(feature = "sandbox", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
//! use omneo_id::sandbox::Sandbox;
//! use tower::ServiceExt;
//!
//! # #[cfg(all(feature = "sandbox", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let revocations = Revocations::new();
//! let ring = Keyring::new(SigningKey::hs256("a secret of at least 32 bytes, kept secret")?);
//! let verifier = TokenVerifier::new(ring.clone()).with_revocations(revocations.clone());
//! let webhook = WebhookEndpoint::new(Sandbox::WEBHOOK_SECRET)?.with_revocations(revocations);
//!
//! let ada = Subject::Profile(Sandbox::ADA_ID.parse()?);
//! let token = TokenIssuer::new(ring).issue(&ada)?;
//! assert!(verifier.verify(token.token()).is_ok());
//!
//! let body = serde_json::json!({ "data": { "id": Sandbox::ADA_ID } });
//! let request = Sandbox::webhook("profile.deleted", body.to_string())?;
//! assert_eq!(webhook.oneshot(request).await?.status(), 204);
//! assert!(verifier.verify(token.token()).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! A cache of locations subscribes to their events:
//!
//! ```
//! use omneo_id::WebhookEndpoint;
//! use omneo_id::webhook::LocationEvent;
//!
//! # fn configure(secret: &str) -> Result<WebhookEndpoint, omneo_id::error::ConfigError> {
//! let webhook = WebhookEndpoint::new(secret)?
//!     .add_location_listener(|event: &LocationEvent| match event.location_id() {
//!         Some(id) => println!("location {id} has changed"),
//!         None => println!("any location may have changed"),
//!     });
//! # Ok(webhook) }
//! ```
//!
//! # Requests
//!
//! | request | response |
//! | --- | --- |
//! | a valid signature | 204, for every event and every body |
//! | no signature, several, or one that matches none of the secrets | 401 |
//! | a body over 1 MiB | 413 |
//! | a body that does not arrive in time | 408 |
//! | the tokens cannot be ended: the set is full, or its store fails | 503 |
//! | another method than `POST` | 405 |
//!
//! `x-omneo-hmac-sha256` is the HMAC-SHA256 of the raw body, in hexadecimal digits of either case.
//! It occurs exactly once and is compared in constant time. A request without a header of this form
//! is rejected before its body is read. The challenge of the 401 has the scheme `HMAC-SHA256`: a
//! 401 needs a challenge, and `Bearer` would be wrong. The sender repeats an event after a 503.
//!
//! # Events
//!
//! | event | members that count | effect |
//! | --- | --- | --- |
//! | `profile.deleted` | `id`, `profile_id` of the body, `data`, `profile` or `data.profile` | the profile's tokens end |
//! | `profile.merged` | `loser`, `losers`, `loser_id`, `loser_profile_id`, … of the body or `data` | the tokens of the loser end |
//! | `location.…` | `id`, `location_id` of the body, `data`, `location` or `data.location` | the listeners are called |
//! | others | none | none |
//!
//! `x-omneo-event` names the event, or the member `event` of the body if the header is absent.
//! Omneo does not document the members of a body. A profile counts only if its id is a UUID. A body
//! without such a profile ends no token; the first one of each kind is logged as a warning, and the
//! response's [`WebhookOutcome`] is [`Unreadable`](WebhookOutcome::Unreadable).
//!
//! # Replays
//!
//! A webhook has no time and no unique id, so a valid one stays valid until the secret is replaced.
//! A replay ends the tokens that the profile has by then, which signs a customer out again, and has
//! no other effect. It is not suppressed: the profile of a genuine event does not exist and gets no
//! new tokens, and a cache of signatures would also suppress the second deletion of a profile that
//! was restored in between. That would leave tokens valid, which is the worse failure.
//!
//! The signature covers the body, not the header that names the event. A header that contradicts
//! the member `event` of the body therefore has no effect. Omneo does not document whether it sends
//! that member: without it, a party that has captured a signed body can send it as
//! `profile.deleted`. Use `https`, and replace the secret if a request was logged.
//!
//! # Files
//!
//! | file | role |
//! | --- | --- |
//! | `service` | `WebhookEndpoint` |
//! | `signature` | the secrets, and the check of the signature |
//! | `event`, `profiles`, `location` | parse the event: its type, its profiles, its location |
//! | `outcome` | `WebhookOutcome`, and the response |

mod event;
mod location;
mod outcome;
mod profiles;
pub(crate) mod service;
mod signature;

pub use location::{LocationEvent, LocationListener};
pub use outcome::WebhookOutcome;
#[cfg(any(doc, feature = "client"))]
pub(crate) use service::WebhookEndpoint;
