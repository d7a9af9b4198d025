//! The claims ([RFC 7519 §4](https://www.rfc-editor.org/rfc/rfc7519#section-4)): parsed once, into
//! borrowed text, and checked against the verifier's policy.

use std::borrow::Cow;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::VerifyErrorKind;
use super::header::Text;
use crate::identity::{Claims, Subject};

/// The requirements of a verifier besides the signature.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) issuer: Option<Box<str>>,
    pub(super) audience: AudiencePolicy,
    /// Seconds by which the clocks of issuer and verifier may differ.
    pub(super) leeway: u64,
    /// The longest lifetime of a token, in seconds.
    pub(super) max_lifetime: u64,
}

/// Which `aud` claims a verifier accepts.
#[derive(Clone, Debug)]
pub(super) enum AudiencePolicy {
    /// Only tokens without `aud`. RFC 7519 §4.1.3: "If the principal processing the claim does not
    /// identify itself with a value in the "aud" claim when this claim is present, then the JWT
    /// MUST be rejected."
    Absent,
    Any,
    Contains(Box<str>),
}

impl Policy {
    /// Checks the payload of a token whose signature is valid, and returns its claims.
    pub(super) fn check(&self, payload: &[u8], now: u64) -> Result<Claims, VerifyErrorKind> {
        let payload = Payload::parse(payload)?;
        let claims = payload.to_claims()?;
        self.check_times(&claims, now)?;
        let issuer_fits = match &self.issuer {
            None => true,
            Some(issuer) => (payload.iss).is_some_and(|Text(iss)| *iss == **issuer),
        };
        if !issuer_fits {
            return Err(VerifyErrorKind::Issuer);
        }
        let audience_fits = match (&self.audience, &payload.aud) {
            (AudiencePolicy::Any, _) | (AudiencePolicy::Absent, None) => true,
            (AudiencePolicy::Absent, Some(_)) | (AudiencePolicy::Contains(_), None) => false,
            (AudiencePolicy::Contains(audience), Some(aud)) => aud.contains(audience),
        };
        if !audience_fits {
            return Err(VerifyErrorKind::Audience);
        }
        Ok(claims)
    }

    /// Checks the times. The result depends on the clock, so a cached token is checked at each use.
    pub(super) fn check_times(&self, claims: &Claims, now: u64) -> Result<(), VerifyErrorKind> {
        let latest_now = now.saturating_add(self.leeway);
        // RFC 7519 §4.1.4: "on or after which the JWT MUST NOT be accepted".
        if now >= claims.expires_at.saturating_add(self.leeway) {
            return Err(VerifyErrorKind::Expired);
        }
        let starts = [claims.not_before, claims.issued_at];
        if starts.into_iter().flatten().any(|start| start > latest_now) {
            return Err(VerifyErrorKind::NotYetValid);
        }
        let lifetime = match claims.issued_at {
            Some(issued_at) => claims.expires_at.saturating_sub(issued_at),
            None => claims.expires_at.saturating_sub(latest_now),
        };
        if lifetime > self.max_lifetime {
            return Err(VerifyErrorKind::LifetimeTooLong);
        }
        Ok(())
    }
}

/// The claims that a verifier reads; others are ignored. The derived code rejects a name that
/// occurs twice.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow, default)]
    pid: Pid<'a>,
    #[serde(default, deserialize_with = "present")]
    exp: Option<NumericDate>,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<NumericDate>,
    #[serde(default, deserialize_with = "present")]
    iat: Option<NumericDate>,
    #[serde(default, deserialize_with = "present")]
    auth_time: Option<NumericDate>,
    #[serde(borrow, default, deserialize_with = "present")]
    iss: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    aud: Option<Audience<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    jti: Option<Text<'a>>,
}

/// As the derived code for an `Option`, but `null` is a value of the wrong type, not an absent
/// value.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

impl<'a> Payload<'a> {
    fn parse(json: &'a [u8]) -> Result<Self, VerifyErrorKind> {
        let json = std::str::from_utf8(json).map_err(|_| VerifyErrorKind::Malformed)?;
        // The derived code also accepts an array of values in place of an object.
        if !json.trim_ascii_start().starts_with('{') {
            return Err(VerifyErrorKind::Malformed);
        }
        serde_json::from_str(json).map_err(|error| match error.is_data() {
            true => VerifyErrorKind::InvalidClaims,
            false => VerifyErrorKind::Malformed,
        })
    }

    fn to_claims(&self) -> Result<Claims, VerifyErrorKind> {
        let expires_at = self.exp.ok_or(VerifyErrorKind::NoExpiry)?.floor();
        let mut claims = Claims::new(self.pid.to_subject(), expires_at);
        // Without its fraction: a token that was issued within the second in which its sessions
        // were ended is ended, too.
        claims.issued_at = self.iat.map(NumericDate::floor);
        claims.not_before = self.nbf.map(NumericDate::ceil);
        claims.auth_time = self.auth_time.map(NumericDate::floor);
        claims.token_id = self.jti.as_ref().map(|Text(jti)| (&**jti).into());
        Ok(claims)
    }
}

/// Seconds since 1970, possibly with a fraction: RFC 7519 §2 `NumericDate`. From 0 to the year
/// 9999.
#[derive(Clone, Copy)]
struct NumericDate(f64);

const MAX_DATE: f64 = 253_402_300_799.0;

// Each whole number up to `MAX_DATE` is below 2^53, so an `f64` represents it exactly.
impl NumericDate {
    fn floor(self) -> u64 {
        self.0.floor() as u64
    }

    fn ceil(self) -> u64 {
        self.0.ceil() as u64
    }
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Parses the raw text: the number type that `serde_json` produces depends on features that
        // other crates of the build may enable. Only a JSON number parses as `f64` here.
        let json = <&RawValue>::deserialize(deserializer)?.get();
        let seconds = json.parse().map_err(D::Error::custom)?;
        match (0.0..=MAX_DATE).contains(&seconds) {
            true => Ok(Self(seconds)),
            false => Err(D::Error::custom("out of range")),
        }
    }
}

/// RFC 7519 §4.1.3: an array of strings, or one string.
enum Audience<'a> {
    One(Cow<'a, str>),
    Many(Vec<Text<'a>>),
}

impl Audience<'_> {
    fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|Text(one)| one == audience),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Audience<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get();
        let audience = match json.starts_with('[') {
            true => serde_json::from_str(json).map(Self::Many),
            false => serde_json::from_str(json).map(|Text(one)| Self::One(one)),
        };
        audience.map_err(D::Error::custom)
    }
}

/// The `pid` claim: a string, absent (or `null`), or another type.
#[derive(Default)]
enum Pid<'a> {
    #[default]
    None,
    Text(Cow<'a, str>),
    Other,
}

impl Pid<'_> {
    /// A `pid` that is not a profile id makes the token anonymous: valid, but without a `me`.
    fn to_subject(&self) -> Subject {
        let text = match self {
            Self::None => return Subject::Anonymous,
            Self::Text(text) if text.is_empty() || text == Subject::ANONYMOUS_PID => {
                return Subject::Anonymous;
            }
            Self::Text(text) => text.parse(),
            Self::Other => "".parse(),
        };
        match text {
            Ok(id) => Subject::Profile(id),
            Err(_) => {
                log_unusable_pid();
                Subject::Anonymous
            }
        }
    }
}

fn log_unusable_pid() {
    #[cfg(feature = "tracing")]
    tracing::warn!("a verified token has a `pid` that is not a profile id: treated as anonymous");
}

impl<'de: 'a, 'a> Deserialize<'de> for Pid<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get();
        match json.as_bytes().first() {
            Some(b'"') => serde_json::from_str(json)
                .map(|Text(text)| Self::Text(text))
                .map_err(D::Error::custom),
            Some(b'n') => Ok(Self::None),
            _ => Ok(Self::Other),
        }
    }
}
