//! The JOSE header ([RFC 7515 §4](https://www.rfc-editor.org/rfc/rfc7515#section-4)): it names
//! algorithm and key; the keyring decides which of them are accepted.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::VerifyErrorKind;
use crate::keys::Algorithm;

/// Members that change how the token is read, or contain a key. A token with one of them was not
/// issued for this verifier, even if its signature is valid.
///
/// RFC 7515 §4.1.11 on `crit`: "If any of the listed extension Header Parameters are not understood
/// and supported by the recipient, then the JWS is invalid." This verifier supports none.
const REJECTED: [&str; 8] = ["crit", "b64", "zip", "enc", "jwk", "jku", "x5c", "x5u"];

/// Members that this verifier ignores, and that RFC 7515 defines as strings.
const STRINGS: [&str; 5] = ["cty", "nonce", "url", "x5t", "x5t#S256"];

/// The most members of a header: about twice the 11 that RFC 7515 §4.1 defines. The bound keeps the
/// linear search for duplicates short.
const MAX_MEMBERS: usize = 24;

#[derive(Debug)]
pub(super) struct Header<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<Cow<'a, str>>,
}

impl<'a> Header<'a> {
    pub(super) fn parse(json: &'a [u8]) -> Result<Self, VerifyErrorKind> {
        let members: Members<'a> = std::str::from_utf8(json)
            .ok()
            .and_then(|json| serde_json::from_str(json).ok())
            .ok_or(VerifyErrorKind::Malformed)?;
        if members.has_rejected || !members.typ.is_none_or(|typ| is_token_type(&typ)) {
            return Err(VerifyErrorKind::UnsupportedHeader);
        }
        let algorithm = members.alg.as_deref().and_then(Algorithm::from_name);
        Ok(Self {
            algorithm: algorithm.ok_or(VerifyErrorKind::Algorithm)?,
            key_id: members.kid,
        })
    }
}

/// The types of RFC 7519 §5.1 and RFC 9068 §2.1. RFC 7515 §4.1.9 allows to omit `application/`, and
/// media types are case-insensitive.
fn is_token_type(typ: &str) -> bool {
    const PREFIX: &str = "application/";
    let typ = match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => typ,
    };
    typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("at+jwt")
}

#[derive(Default)]
struct Members<'a> {
    alg: Option<Cow<'a, str>>,
    kid: Option<Cow<'a, str>>,
    typ: Option<Cow<'a, str>>,
    has_rejected: bool,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JOSE header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        let mut seen: Vec<Cow<'de, str>> = Vec::with_capacity(4);
        while let Some(Text(name)) = map.next_key()? {
            // RFC 7515 §4: "The Header Parameter names within the JOSE Header MUST be unique".
            if seen.contains(&name) || seen.len() == MAX_MEMBERS {
                return Err(A::Error::custom(
                    "a member occurs twice, or there are too many",
                ));
            }
            match &*name {
                "alg" => members.alg = Some(map.next_value::<Text<'_>>()?.0),
                "kid" => members.kid = Some(map.next_value::<Text<'_>>()?.0),
                "typ" => members.typ = Some(map.next_value::<Text<'_>>()?.0),
                other if STRINGS.contains(&other) => drop(map.next_value::<Text<'_>>()?),
                other => {
                    members.has_rejected |= REJECTED.contains(&other);
                    map.next_value::<IgnoredAny>()?;
                }
            }
            seen.push(name);
        }
        Ok(members)
    }
}

/// A string, borrowed unless it has escapes; no other type.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Text<'_> {
    pub(super) fn to_boxed(&self) -> Box<str> {
        (&*self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(json: &str) -> VerifyErrorKind {
        Header::parse(json.as_bytes()).unwrap_err()
    }

    #[test]
    fn algorithm_and_key_id_are_read() {
        let header = Header::parse(br#" {"kid":"a\u0062","x":[{}],"alg":"ES256"} "#).unwrap();
        assert_eq!(header.algorithm, Algorithm::ES256);
        assert_eq!(header.key_id.as_deref(), Some("ab"));
    }

    #[test]
    fn alg_none_is_rejected_in_every_spelling() {
        for alg in [
            "none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "HS1", "ES256K", "A128KW",
        ] {
            assert_eq!(
                kind(&format!(r#"{{"alg":"{alg}"}}"#)),
                VerifyErrorKind::Algorithm
            );
        }
        assert_eq!(kind("{}"), VerifyErrorKind::Algorithm);
    }

    #[test]
    fn members_of_another_type_are_malformed() {
        for json in [
            r#"{"alg":null}"#,
            r#"{"alg":["HS256"]}"#,
            r#"{"alg":"HS256","kid":1}"#,
            r#"{"alg":"HS256","kid":null}"#,
            r#"{"alg":"HS256","typ":false}"#,
            r#"{"alg":"HS256","cty":{}}"#,
            r#"{"alg":"HS256","x5t":1}"#,
            r#"["HS256"]"#,
            r#""HS256""#,
            r#"{"alg":"HS256"} {}"#,
            r#"{"alg":"HS256",}"#,
            "",
        ] {
            assert_eq!(kind(json), VerifyErrorKind::Malformed, "{json}");
        }
        assert_eq!(
            Header::parse(b"{\"alg\":\"HS256\",\"x\":\"\xff\"}").unwrap_err(),
            VerifyErrorKind::Malformed
        );
    }

    #[test]
    fn a_member_that_occurs_twice_is_malformed() {
        for json in [
            r#"{"alg":"HS256","alg":"HS256"}"#,
            r#"{"alg":"HS256","al\u0067":"none"}"#,
            r#"{"alg":"HS256","kid":"a","kid":"b"}"#,
            r#"{"alg":"HS256","x":1,"x":1}"#,
        ] {
            assert_eq!(kind(json), VerifyErrorKind::Malformed, "{json}");
        }
        let many: Vec<String> = (0..100).map(|i| format!(r#""{i}":0"#)).collect();
        let json = format!(r#"{{"alg":"HS256",{}}}"#, many.join(","));
        assert_eq!(kind(&json), VerifyErrorKind::Malformed);
    }

    #[test]
    fn extensions_and_embedded_keys_are_rejected() {
        for name in REJECTED {
            for value in ["null", "true", "false", "[]", r#"["exp"]"#, r#""x""#, "{}"] {
                let json = format!(r#"{{"alg":"HS256","{name}":{value}}}"#);
                assert_eq!(kind(&json), VerifyErrorKind::UnsupportedHeader, "{json}");
            }
        }
    }

    #[test]
    fn typ_is_that_of_a_jwt() {
        for typ in [
            "JWT",
            "jwt",
            "at+jwt",
            "application/at+JWT",
            "APPLICATION/jwt",
        ] {
            let json = format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#);
            assert!(Header::parse(json.as_bytes()).is_ok(), "{typ}");
        }
        for typ in [
            "",
            "JOSE",
            "secevent+jwt",
            "dpop+jwt",
            "JWT ",
            "text/jwt",
            "application/",
        ] {
            let json = format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#);
            assert_eq!(kind(&json), VerifyErrorKind::UnsupportedHeader, "{typ}");
        }
    }
}
