//! JSON Web Keys ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)), public ones only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::der::strip_zeros;
use super::material::{Public, invalid};
use super::{Algorithm, VerifyingKey};
use crate::error::ConfigError;

pub(super) fn export(keys: &[VerifyingKey]) -> Value {
    let keys: Vec<Value> = keys.iter().filter_map(to_jwk).collect();
    json!({ "keys": keys })
}

fn to_jwk(key: &VerifyingKey) -> Option<Value> {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let ec = |curve: &str, point: &[u8]| {
        let coordinates = point.get(1..).unwrap_or_default();
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) })
    };
    let mut jwk = match key.public()? {
        Public::Rsa { n, e } => json!({ "kty": "RSA", "n": encode(n), "e": encode(e) }),
        Public::P256 { point } => ec("P-256", point),
        Public::P384 { point } => ec("P-384", point),
        Public::Ed25519 { x } => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(x) }),
    };
    let members = jwk.as_object_mut()?;
    members.insert("use".into(), "sig".into());
    members.insert("alg".into(), key.algorithm().as_str().into());
    if let Some(key_id) = key.key_id() {
        members.insert("kid".into(), key_id.into());
    }
    Some(jwk)
}

/// The keys of a JWK set that can verify here.
pub(super) fn import(json: &[u8]) -> Result<Vec<VerifyingKey>, ConfigError> {
    let document: Value = serde_json::from_slice(json)
        .map_err(|error| invalid("the JWK set is no JSON").with_source(error))?;
    let keys = document
        .get("keys")
        .and_then(Value::as_array)
        .ok_or_else(|| invalid("a JWK set is an object with an array `keys`"))?;
    // RFC 7517 §5: "Implementations SHOULD ignore JWKs within a JWK Set that use "kty" (key type)
    // values that are not understood by them, that are missing required members, or for which
    // values are out of the supported ranges."
    Ok(keys.iter().filter_map(from_jwk).collect())
}

/// One key, which has to be of use.
pub(super) fn import_one(json: &[u8]) -> Result<VerifyingKey, ConfigError> {
    let jwk = serde_json::from_slice(json)
        .map_err(|error| invalid("the JWK is no JSON").with_source(error))?;
    from_jwk(&jwk).ok_or_else(|| invalid("the JWK is no public key that can verify here"))
}

fn from_jwk(jwk: &Value) -> Option<VerifyingKey> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    let point = || {
        let (x, y) = (bytes("x")?, bytes("y")?);
        (x.len() == y.len()).then(|| [&[4], x.as_slice(), &y].concat())
    };
    if jwk.get("use").is_some_and(|usage| usage != "sig") {
        return None;
    }
    let operations = jwk.get("key_ops").map(Value::as_array);
    if operations.is_some_and(|ops| !ops.is_some_and(|ops| ops.contains(&"verify".into()))) {
        return None;
    }
    let public = match (text("kty")?, text("crv")) {
        ("RSA", _) => Public::Rsa {
            n: strip_zeros(&bytes("n")?).into(),
            e: strip_zeros(&bytes("e")?).into(),
        },
        ("EC", Some("P-256")) => Public::P256 { point: point()? },
        ("EC", Some("P-384")) => Public::P384 { point: point()? },
        ("OKP", Some("Ed25519")) => Public::Ed25519 { x: bytes("x")? },
        _ => return None,
    };
    public.check().ok()?;
    let key = VerifyingKey::from_public(public).ok()?;
    let key = match jwk.get("alg") {
        None => key,
        // RFC 9864 names the curve where RFC 8037 says `EdDSA`.
        Some(alg) if alg == "Ed25519" => key.with_algorithm(Algorithm::EdDSA).ok()?,
        Some(alg) => key
            .with_algorithm(Algorithm::from_name(alg.as_str()?)?)
            .ok()?,
    };
    match jwk.get("kid") {
        None => Some(key),
        Some(key_id) => key.with_key_id(key_id.as_str()?).ok(),
    }
}
