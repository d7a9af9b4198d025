//! Ended sessions: [`Revocations`] is the set of ID tokens that are rejected before they expire.
//!
//! Use it to sign customers out, to end all sessions of a customer, or to reject the tokens of a
//! profile that was deleted. A verifier with the set rejects an ended token at its next use, cached
//! or not, with the same 401 as any other invalid token:
//!
//! ```
//! use omneo_id::auth::VerifyErrorKind;
//! use omneo_id::{Keyring, ProfileId, Revocations, SigningKey, Subject};
//! use omneo_id::{TokenIssuer, TokenVerifier};
//!
//! # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let ring = Keyring::new(SigningKey::hs256("a secret of at least 32 bytes, kept secret")?);
//! let revocations = Revocations::new();
//! let issuer = TokenIssuer::new(ring.clone()).with_revocations(revocations.clone());
//! let verifier = TokenVerifier::new(ring).with_revocations(revocations.clone());
//!
//! let ada: ProfileId = "3f0c2f6e".parse()?;
//! let token = issuer.issue(&Subject::Profile(ada.clone()))?;
//! assert!(verifier.verify(token.token()).is_ok());
//!
//! revocations.revoke_profile(&ada).await?;
//! let error = verifier.verify(token.token()).unwrap_err();
//! assert_eq!(error.kind(), VerifyErrorKind::Revoked);
//!
//! // A login after that works at once, also within the same second.
//! let token = issuer.issue(&Subject::Profile(ada))?;
//! assert!(verifier.verify(token.token()).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! - `iat` is in whole seconds. A token is ended if its `iat` is not after the second in which its
//!   sessions were ended; a token without `iat` counts as issued at 0. An issuer that has the set
//!   therefore mints the next token of the subject with an `iat` in the following second, which
//!   verifiers accept within their leeway.
//! - The second is that of the process that ends the sessions. If the clock of another process is
//!   ahead of it, the tokens that the other process has minted within that difference stay valid.
//! - An entry is removed when all tokens that it ends have expired. A token without `iat` whose
//!   remaining lifetime exceeded the verifier's limit when its sessions were ended can outlive the
//!   entry.
//! - The set is bounded: see [`Revocations::with_capacity`].
//! - The set covers one process. A [`RevocationStore`] carries it to others.
//!
//! # Files
//!
//! | file | role |
//! | --- | --- |
//! | `revocations` | `Revocations`: the set, and its store if it has one |
//! | `set`, `table` | which tokens an entry ends; the entries, which readers read without a lock |
//! | `record`, `text` | `Revocation`, one change of a set, and its text form |
//! | `error` | `RevokeError` |
//! | `store` | the trait `RevocationStore` |
//! | `shared`, `sync` | the state of a set; the task that synchronizes it with the store |
//! | `store_state`, `outage` | how current the set is; the behaviour if it is not |
//! | `redis` | `RedisStore` |

mod error;
mod outage;
mod record;
#[cfg(feature = "redis")]
mod redis;
pub(crate) mod revocations;
mod set;
mod shared;
mod store;
mod store_state;
#[cfg(feature = "client")]
mod sync;
mod table;
mod text;

pub use error::{RevokeError, RevokeErrorKind};
pub use outage::OnOutage;
pub use record::Revocation;
#[cfg(feature = "redis")]
pub use redis::RedisStore;
pub use revocations::RevocationStats;
pub(crate) use revocations::Revocations;
pub use store::{Receiver, RevocationStore, StoreFuture};
pub use store_state::StoreStats;
pub use text::InvalidRevocation;
