//! Another crate of the build installs a default backend in `jsonwebtoken` that panics: this crate
//! does not use it. A separate binary: the default is process-wide.

#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
#![allow(clippy::panic, clippy::unwrap_used)]

use jsonwebtoken::crypto::{CryptoProvider, KeyUtils};
use omneo_id::keys::{Algorithm, KeySet};
use omneo_id::{Keyring, SigningKey, Subject, TokenIssuer, TokenVerifier, VerifyingKey};

static FOREIGN: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| panic!("the process default was used to sign"),
    verifier_factory: |_, _| panic!("the process default was used to verify"),
    key_utils: KeyUtils::new_unimplemented(),
};

#[test]
fn keys_use_the_selected_backend() {
    FOREIGN.install_default().unwrap();
    for pem in [
        include_bytes!("keys/ed25519.pem").as_slice(),
        include_bytes!("keys/p256.pem"),
        include_bytes!("keys/p384.pem"),
        include_bytes!("keys/rsa2048.pem"),
        include_bytes!("keys/rsa2048.pkcs1.pem"),
    ] {
        mints_and_verifies(SigningKey::from_pem(pem).unwrap());
    }
    let rsa = SigningKey::from_pem(include_bytes!("keys/rsa2048.pem")).unwrap();
    mints_and_verifies(rsa.with_algorithm(Algorithm::PS512).unwrap());
    mints_and_verifies(SigningKey::hs256([7; 32]).unwrap());
}

fn mints_and_verifies(key: SigningKey) {
    let ring = Keyring::new(key);
    let token = TokenIssuer::new(ring.clone())
        .issue(&Subject::Anonymous)
        .unwrap();
    assert!(
        TokenVerifier::new(ring.clone())
            .verify(token.token())
            .is_ok()
    );
    // Export as a JWK set and import, unless the key is a secret.
    let jwks = ring.to_jwks();
    if jwks != serde_json::json!({ "keys": [] }) {
        let keys = KeySet::from_jwks(jwks.to_string()).unwrap();
        assert!(
            TokenVerifier::new(keys.into())
                .verify(token.token())
                .is_ok()
        );
    }
    let other = VerifyingKey::hs256([8; 32]).unwrap();
    let other = Keyring::verifying_only([other]).unwrap();
    assert!(TokenVerifier::new(other).verify(token.token()).is_err());
}
