//! Keys that sign and verify tokens, and the keyring of the current ones.
//!
//! A [`SigningKey`] signs and verifies, a [`VerifyingKey`] only verifies; each has one
//! [`Algorithm`], which a token cannot change. A [`Keyring`] signs with one key and verifies with
//! several, so that keys can be rotated while issued tokens stay valid:
//!
//! ```
//! use omneo_id::keys::KeySet;
//! use omneo_id::{Keyring, SigningKey};
//!
//! # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
//! let old = SigningKey::hs256("the first secret, at least 32 bytes long")?.with_key_id("2025")?;
//! let ring = Keyring::new(old.clone());
//!
//! // A year later: sign with the new key, and still accept tokens of the old one.
//! let new = SigningKey::hs256("the second secret, also over 32 bytes long")?.with_key_id("2026")?;
//! ring.replace(KeySet::new(new).with_verifying_key(old.verifying_key())?);
//! # }
//! # Ok::<(), omneo_id::error::ConfigError>(())
//! ```
//!
//! Key files are PEM or DER, as `openssl` writes them:
//!
//! ```no_run
//! use omneo_id::keys::Algorithm;
//! use omneo_id::{Keyring, SigningKey};
//!
//! // openssl genpkey -algorithm ed25519 -out key.pem
//! let pem = std::fs::read("key.pem").unwrap();
//! let key = SigningKey::from_pem(&pem)?.with_key_id("2026")?;
//! assert_eq!(key.algorithm(), Algorithm::EdDSA);
//! println!("{}", Keyring::new(key).to_jwks()); // for other verifiers
//! # Ok::<(), omneo_id::error::ConfigError>(())
//! ```
//!
//! The constructor of a signing key signs and verifies once, so an unusable key is an error there.
//! For a public key, only the form can be checked.
//! Key material is wiped when the last clone is dropped. A thread that has verified with a secret
//! keeps the backend's form of it until it verifies with another secret, or ends. `Debug` shows
//! algorithm and key id only.
//!
//! # Files
//!
//! | file | role |
//! | --- | --- |
//! | `keyring` | `Keyring`: the current set, replaced while requests run |
//! | `key_set` | `KeySet`: one key that signs, and the keys that verify |
//! | `signing`, `verifying` | `SigningKey` and `VerifyingKey` |
//! | `algorithm` | `Algorithm`, and the kinds of keys that it needs |
//! | `key_file` | private and public keys, parsed from PEM or DER |
//! | `der`, `jwk` | the encodings of keys: ASN.1, and JSON |
//! | `secret` | rejects HMAC secrets that are too short or not secret |
//! | `mac` | the HMAC of webhooks |
//! | `backend` | the signature backend: `aws-lc-rs` or `rust-crypto` |

mod algorithm;
mod backend;
mod der;
mod jwk;
mod key_file;
mod key_set;
pub(crate) mod keyring;
mod mac;
mod secret;
pub(crate) mod signing;
pub(crate) mod verifying;

pub use algorithm::Algorithm;
pub use key_set::KeySet;
pub(crate) use keyring::Keyring;
#[cfg(feature = "sandbox")]
pub(crate) use mac::hmac_sha256;
pub(crate) use mac::{MAC_LEN, MIN_MAC_SECRET_LEN, MacKey};
pub(crate) use signing::SigningKey;
pub(crate) use verifying::VerifyingKey;
