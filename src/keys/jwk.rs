//! JSON Web Keys ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)), public ones only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::Algorithm;
use super::der::strip_zeros;
use super::key_file::{PublicKey, invalid};
use crate::error::ConfigError;

/// The members of a JWK that describe a verifying key.
pub(super) struct Jwk<'a> {
    pub(super) public: PublicKey,
    pub(super) algorithm: Option<Algorithm>,
    pub(super) key_id: Option<&'a str>,
}

impl<'a> Jwk<'a> {
    /// `None` for a key of an unsupported kind, for another use, or with a malformed member.
    pub(super) fn from_value(jwk: &'a Value) -> Option<Self> {
        if jwk.get("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        let operations = jwk.get("key_ops").map(Value::as_array);
        if operations.is_some_and(|ops| !ops.is_some_and(|ops| ops.contains(&"verify".into()))) {
            return None;
        }
        let public = public(jwk)?;
        public.check().ok()?;
        let algorithm = match jwk.get("alg") {
            None => None,
            // RFC 9864 registers `Ed25519` where RFC 8037 has `EdDSA`.
            Some(alg) if alg == "Ed25519" => Some(Algorithm::EdDSA),
            Some(alg) => Some(Algorithm::from_name(alg.as_str()?)?),
        };
        let key_id = match jwk.get("kid") {
            None => None,
            Some(key_id) => Some(key_id.as_str()?),
        };
        Some(Self {
            public,
            algorithm,
            key_id,
        })
    }
}

fn public(jwk: &Value) -> Option<PublicKey> {
    match (text(jwk, "kty")?, text(jwk, "crv")) {
        ("RSA", _) => Some(PublicKey::Rsa {
            n: strip_zeros(&bytes(jwk, "n")?).into(),
            e: strip_zeros(&bytes(jwk, "e")?).into(),
        }),
        ("EC", Some("P-256")) => Some(PublicKey::P256 { point: point(jwk)? }),
        ("EC", Some("P-384")) => Some(PublicKey::P384 { point: point(jwk)? }),
        ("OKP", Some("Ed25519")) => Some(PublicKey::Ed25519 {
            x: bytes(jwk, "x")?,
        }),
        _ => None,
    }
}

/// The uncompressed point (SEC 1 §2.3.3) of the coordinates `x` and `y`.
fn point(jwk: &Value) -> Option<Vec<u8>> {
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    (x.len() == y.len()).then(|| [&[4], x.as_slice(), &y].concat())
}

fn text<'a>(jwk: &'a Value, name: &str) -> Option<&'a str> {
    jwk.get(name).and_then(Value::as_str)
}

fn bytes(jwk: &Value, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).ok()
}

/// The JWK of a public key.
pub(super) fn to_value(public: &PublicKey, algorithm: Algorithm, key_id: Option<&str>) -> Value {
    let mut jwk = match public {
        PublicKey::Rsa { n, e } => json!({ "kty": "RSA", "n": encode(n), "e": encode(e) }),
        PublicKey::P256 { point } => ec_value("P-256", point),
        PublicKey::P384 { point } => ec_value("P-384", point),
        PublicKey::Ed25519 { x } => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(x) }),
    };
    if let Some(members) = jwk.as_object_mut() {
        members.insert("use".into(), "sig".into());
        members.insert("alg".into(), algorithm.as_str().into());
        if let Some(key_id) = key_id {
            members.insert("kid".into(), key_id.into());
        }
    }
    jwk
}

fn ec_value(curve: &str, point: &[u8]) -> Value {
    let coordinates = point.get(1..).unwrap_or_default();
    let (x, y) = coordinates.split_at(coordinates.len() / 2);
    json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) })
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A JWK set of these keys.
pub(super) fn set(keys: impl Iterator<Item = Value>) -> Value {
    json!({ "keys": keys.collect::<Vec<_>>() })
}

/// The JWKs of a JWK set. A caller skips those that it cannot use, as RFC 7517 §5 has it:
/// "Implementations SHOULD ignore JWKs within a JWK Set that use "kty" (key type) values that are
/// not understood by them, that are missing required members, or for which values are out of the
/// supported ranges."
pub(super) fn parse_set(json: &[u8]) -> Result<Vec<Value>, ConfigError> {
    let mut document: Value = serde_json::from_slice(json)
        .map_err(|error| invalid("the JWK set is not JSON").with_source(error))?;
    match document.get_mut("keys").map(Value::take) {
        Some(Value::Array(keys)) => Ok(keys),
        _ => Err(invalid("a JWK set is an object with an array `keys`")),
    }
}
