//! Keys and the ring, through the public API.

mod jwk_sets;
mod key_files;
mod rings;
mod secrets;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use omneo_id::auth::VerifyErrorKind;
use omneo_id::error::{ConfigError, ConfigErrorKind};
use omneo_id::keys::{Algorithm, KeySet};
use omneo_id::{Keyring, SigningKey, Subject, TokenIssuer, TokenVerifier, VerifyingKey};
use serde_json::{Value, json};

const SECRET: &str = "a secret of more than thirty-two bytes";

macro_rules! key {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/keys/",
            $name,
            ".pem"
        ))
        .as_slice()
    };
}
pub(crate) use key;

const PRIVATE: &[(&[u8], Algorithm)] = &[
    (key!("ed25519"), Algorithm::EdDSA),
    (key!("p256"), Algorithm::ES256),
    (key!("p256.sec1"), Algorithm::ES256),
    (key!("p384"), Algorithm::ES384),
    (key!("rsa2048"), Algorithm::RS256),
    (key!("rsa2048.pkcs1"), Algorithm::RS256),
];

const PUBLIC: &[(&[u8], Algorithm)] = &[
    (key!("ed25519.pub"), Algorithm::EdDSA),
    (key!("p256.pub"), Algorithm::ES256),
    (key!("p384.pub"), Algorithm::ES384),
    (key!("rsa2048.pub"), Algorithm::RS256),
    (key!("rsa2048.pkcs1.pub"), Algorithm::RS256),
];

fn kind<T: std::fmt::Debug>(result: Result<T, ConfigError>) -> ConfigErrorKind {
    result.unwrap_err().kind()
}

/// The public part of a key, as it appears in a JWK set.
fn jwk(key: VerifyingKey) -> Value {
    let jwks = Keyring::verifying_only([key]).unwrap().to_jwks();
    jwks["keys"][0].clone()
}

fn der(pem: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(pem).unwrap();
    let base64: String = text.lines().filter(|line| !line.contains('-')).collect();
    STANDARD.decode(base64).unwrap()
}

/// A certificate, as `openssl req -x509 -newkey ed25519` writes it.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIBODCB66ADAgECAhQAgpnSplS2GZOAYhzUf2X6TjLavzAFBgMrZXAwEjEQMA4G
A1UEAwwHZXhhbXBsZTAeFw0yNjExMjgwMzEwNDlaFw0zNjExMjUwMzEwNDlaMBIx
EDAOBgNVBAMMB2V4YW1wbGUwKjAFBgMrZXADIQDgDJitCq6ApKwuHIwOx8uyNLoT
zR92hn9gHSete7qvQqNTMFEwHQYDVR0OBBYEFKAJM+jtd7Xc3TA6BTZBpZQTp42e
MB8GA1UdIwQYMBaAFKAJM+jtd7Xc3TA6BTZBpZQTp42eMA8GA1UdEwEB/wQFMAMB
Af8wBQYDK2VwA0EAkJDsPMZg9DTGinJsStdeWcI/E83+/UbBSwTTt4YrnfjsEQ16
thD6w8M12jMq3bP4lreNI54sI0QnSce139h4Bw==
-----END CERTIFICATE-----
";
