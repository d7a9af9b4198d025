//! The claims that an application may add to its tokens.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{IssueError, IssueErrorKind};
use crate::error::{ConfigError, ConfigErrorKind};
use crate::identity::Claims;

/// The names of extra claims that an issuer accepts.
#[derive(Clone, Debug, Default)]
pub(super) struct ExtraClaimNames(Box<[Box<str>]>);

/// The longest name, in bytes. Names that must not collide are often URLs.
const MAX_NAME_LEN: usize = 128;

/// The longest JSON text of all extra claims, in bytes: as base64url, with the claims and the
/// signature of this crate, the token stays below the 8 KiB that verifiers and web servers accept.
pub(super) const MAX_LEN: usize = 4 * 1024;

/// Claims that this crate sets, and registered claims that identify the subject (`sub`), bound the
/// token's validity (`nbf`) or bind it to a key (`cnf`).
const REGISTERED: [&str; 10] = [
    "aud",
    "auth_time",
    "cnf",
    "exp",
    "iat",
    "iss",
    "jti",
    "nbf",
    "pid",
    "sub",
];

/// The header parameters of JWS and JWE, as the registry "JSON Web Signature and Encryption Header
/// Parameters" has them. RFC 7519 §5.3 allows to replicate claims as header parameters, so a
/// library may read one in place of the other.
const HEADER_PARAMETERS: [&str; 25] = [
    "alg", "apu", "apv", "b64", "crit", "cty", "enc", "epk", "iv", "jku", "jwk", "kid", "nonce",
    "p2c", "p2s", "ppt", "svt", "tag", "typ", "url", "x5c", "x5t", "x5t#S256", "x5u", "zip",
];

impl ExtraClaimNames {
    pub(super) fn new<N: AsRef<str>>(
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, ConfigError> {
        let names = names.into_iter().map(|name| check(name.as_ref()));
        Ok(Self(names.collect::<Result<_, _>>()?))
    }

    /// The claims as a JSON object.
    pub(super) fn select(&self, claims: impl Serialize) -> Result<Map<String, Value>, IssueError> {
        let Ok(Value::Object(claims)) = serde_json::to_value(claims) else {
            return Err(IssueErrorKind::InvalidClaims.into());
        };
        let is_listed = |name: &str| self.0.iter().any(|listed| **listed == *name);
        if let Some(name) = claims.keys().find(|name| !is_listed(name)) {
            return Err(IssueError::claim_not_allowed(name));
        }
        let json = serde_json::to_string(&claims);
        match json.is_ok_and(|json| json.len() <= MAX_LEN) {
            true => Ok(claims),
            false => Err(IssueErrorKind::ClaimsTooLarge.into()),
        }
    }

    /// The listed claims of another token.
    pub(super) fn copy(&self, token: &Claims) -> Map<String, Value> {
        let claims = self.0.iter().filter_map(|name| {
            let value = token.get(name).ok().flatten();
            value.map(|value| (name.to_string(), value))
        });
        claims.collect()
    }
}

fn check(name: &str) -> Result<Box<str>, ConfigError> {
    let is_plain = (1..=MAX_NAME_LEN).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_plain {
        return Err(ConfigError::new(
            ConfigErrorKind::InvalidValue,
            "the name of a claim is 1 to 128 printable ASCII characters without spaces",
        ));
    }
    // Some JSON parsers, that of Go for instance, ignore the case of names.
    let is_reserved = REGISTERED
        .iter()
        .chain(&HEADER_PARAMETERS)
        .any(|reserved| reserved.eq_ignore_ascii_case(name));
    match is_reserved {
        true => Err(ConfigError::new(
            ConfigErrorKind::InvalidValue,
            format!("the name {name:?} is reserved and cannot be an extra claim"),
        )),
        false => Ok(name.into()),
    }
}
