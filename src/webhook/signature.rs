//! The signature of a webhook: the HMAC-SHA256 of the raw body, in hexadecimal digits.

use std::error::Error;
use std::fmt;

use http::{HeaderMap, HeaderName};

use crate::error::ConfigError;
use crate::headers::single_value;
use crate::keys::{MAC_LEN, MacKey};

pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("x-omneo-hmac-sha256");

/// The secrets with which a webhook may be signed: several during a rotation.
#[derive(Clone, Debug)]
pub(super) struct Secrets(Vec<MacKey>);

impl Secrets {
    pub(super) fn new(secret: &[u8]) -> Result<Self, ConfigError> {
        Ok(Self(vec![MacKey::new(secret)?]))
    }

    pub(super) fn add(&mut self, secret: &[u8]) -> Result<(), ConfigError> {
        self.0.push(MacKey::new(secret)?);
        Ok(())
    }

    /// Compares with every secret, so that the duration does not reveal which of them matches.
    pub(super) fn verify(&self, body: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        let is_valid = self
            .0
            .iter()
            .fold(false, |valid, key| key.verify(body, &signature.0) | valid);
        match is_valid {
            true => Ok(()),
            false => Err(SignatureError::Mismatch),
        }
    }
}

/// A signature of the right form. It is not verified.
pub(super) struct Signature(Vec<u8>);

impl Signature {
    /// The signature in the only header of its name. Digits of either case are accepted: they are
    /// the same MAC.
    pub(super) fn from_headers(headers: &HeaderMap) -> Result<Self, SignatureError> {
        let header = single_value(headers, SIGNATURE).map_err(|_| SignatureError::Repeated)?;
        let digits = header.ok_or(SignatureError::Missing)?.as_bytes();
        if digits.len() != 2 * MAC_LEN {
            return Err(SignatureError::Malformed);
        }
        let (pairs, _) = digits.as_chunks();
        let mac: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        mac.map(Self).ok_or(SignatureError::Malformed)
    }
}

fn byte(&[high, low]: &[u8; 2]) -> Option<u8> {
    let digit = |digit| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// Why a webhook was rejected. It is the cause of the 401, for logs; clients do not receive it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignatureError {
    Missing,
    Repeated,
    Malformed,
    Mismatch,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the webhook is not signed",
            Self::Repeated => "the webhook has several signatures",
            Self::Malformed => "the signature of the webhook is not 64 hexadecimal digits",
            Self::Mismatch => "the signature of the webhook matches none of the secrets",
        })
    }
}

impl Error for SignatureError {}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parse(value: &str) -> Result<Vec<u8>, SignatureError> {
        let mut headers = HeaderMap::new();
        headers.insert(SIGNATURE, HeaderValue::from_str(value).unwrap());
        Signature::from_headers(&headers).map(|signature| signature.0)
    }

    #[test]
    fn a_signature_is_64_hexadecimal_digits_of_either_case() {
        let mac = [0x00, 0x01, 0x9a, 0xff].repeat(8);
        assert_eq!(parse(&"00019aff".repeat(8)).unwrap(), mac);
        assert_eq!(parse(&"00019aFF".repeat(8)).unwrap(), mac);
        for malformed in [
            String::new(),
            "0".repeat(63),
            "0".repeat(65),
            "0".repeat(66),
            "0g".repeat(32),
            "+1".repeat(32),
            " 1".repeat(32),
            format!("sha256={}", "0".repeat(57)),
            format!("sha256={}", "0".repeat(64)),
        ] {
            assert_eq!(
                parse(&malformed),
                Err(SignatureError::Malformed),
                "{malformed}"
            );
        }
    }
}
