//! Tokens, beside `jsonwebtoken`: a token that it rejects is never accepted, and nothing panics.
//!
//! Input: one byte of choices, then an arbitrary token; or a header and, after an empty line, a
//! payload. These are signed correctly, so that the code behind the signature check is reached.

#![no_main]

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use libfuzzer_sys::fuzz_target;
use omneo_id::keys::Keyring;
use omneo_id::{SigningKey, TokenVerifier};
use serde::Deserialize;
use sha2::Sha256;

/// A time in a payload, which is replaced by one hour from now.
const SOON: &str = "4000000000";
const SECRET: &[u8] = b"a secret of at least thirty-two bytes";

static VERIFIER: LazyLock<TokenVerifier> = LazyLock::new(|| {
    TokenVerifier::new(Keyring::new(SigningKey::hs256(SECRET).unwrap())).with_cache_capacity(16)
});

static THEIRS: LazyLock<(DecodingKey, Validation)> = LazyLock::new(|| {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_nbf = true;
    // More than the leeway of the verifier: time passes between the two checks.
    validation.leeway = 8;
    (DecodingKey::from_secret(SECRET), validation)
});

#[derive(Deserialize)]
struct Anything {}

fn signed(header: &[u8], payload: &[u8]) -> String {
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let message = format!("{}.{}", encode(header), encode(payload));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
    mac.update(message.as_bytes());
    let signature = encode(&mac.finalize().into_bytes());
    format!("{message}.{signature}")
}

fuzz_target!(|data: &[u8]| {
    let Some((&choices, rest)) = data.split_first() else {
        return;
    };
    let token = if choices & 1 == 0 {
        let Ok(token) = std::str::from_utf8(rest) else {
            return;
        };
        token.to_owned()
    } else {
        let (header, payload) = match rest.windows(2).position(|bytes| bytes == b"\n\n") {
            Some(at) => (&rest[..at], &rest[at + 2..]),
            None => (&b"{\"alg\":\"HS256\"}"[..], rest),
        };
        // Seeds must not expire.
        let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3_600;
        let payload = String::from_utf8_lossy(payload).replace(SOON, &soon.to_string());
        signed(header, payload.as_bytes())
    };
    let first = VERIFIER.verify(&token);
    if let Ok(verified) = &first {
        let (key, validation) = &*THEIRS;
        let theirs = decode::<Anything>(&token, key, validation);
        assert!(theirs.is_ok(), "{token}: {theirs:?}", theirs = theirs.err());
        // A cache hit returns the same result.
        assert_eq!(VERIFIER.verify(&token).as_ref().ok(), Some(verified));
        // A token with another last character is rejected.
        let mut other = token.clone();
        let last = other.pop().unwrap();
        other.push(if last == 'A' { 'E' } else { 'A' });
        assert!(VERIFIER.verify(&other).is_err());
    }
});
