//! The claims ([RFC 7519 §4](https://www.rfc-editor.org/rfc/rfc7519#section-4)): parsed once, into
//! borrowed text, and checked against the verifier's policy.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::VerifyErrorKind;
use super::header::Text;
use crate::identity::{Claims, ExtraClaims, Subject};

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
        let (payload, json) = Payload::parse(payload)?;
        let claims = payload.to_claims(json)?;
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

/// The claims that a verifier reads, and whether there are others. A name that occurs twice is
/// rejected.
#[derive(Default)]
struct Payload<'a> {
    pid: Option<Pid<'a>>,
    exp: Option<NumericDate>,
    nbf: Option<NumericDate>,
    iat: Option<NumericDate>,
    auth_time: Option<NumericDate>,
    iss: Option<Text<'a>>,
    aud: Option<Audience<'a>>,
    jti: Option<Text<'a>>,
    has_others: bool,
}

impl<'a> Payload<'a> {
    fn parse(json: &'a [u8]) -> Result<(Self, &'a str), VerifyErrorKind> {
        let json = std::str::from_utf8(json).map_err(|_| VerifyErrorKind::Malformed)?;
        // An array is valid JSON, but not a claims set.
        if !json.trim_ascii_start().starts_with('{') {
            return Err(VerifyErrorKind::Malformed);
        }
        match serde_json::from_str(json) {
            Ok(payload) => Ok((payload, json)),
            Err(error) if error.is_data() => Err(VerifyErrorKind::InvalidClaims),
            Err(_) => Err(VerifyErrorKind::Malformed),
        }
    }

    fn to_claims(&self, json: &str) -> Result<Claims, VerifyErrorKind> {
        let subject = self.pid.as_ref().unwrap_or(&Pid::None).to_subject();
        let expires_at = self.exp.ok_or(VerifyErrorKind::NoExpiry)?.floor();
        let mut claims = Claims::new(subject, expires_at);
        // Without its fraction: a token that was issued within the second in which its sessions
        // were ended is ended, too.
        claims.issued_at = self.iat.map(NumericDate::floor);
        claims.not_before = self.nbf.map(NumericDate::ceil);
        claims.auth_time = self.auth_time.map(NumericDate::floor);
        claims.token_id = self.jti.as_ref().map(Text::to_boxed);
        claims.issuer = self.iss.as_ref().map(Text::to_boxed);
        claims.audience = self
            .aud
            .as_ref()
            .map(Audience::to_boxed)
            .unwrap_or_default();
        if self.has_others {
            claims.extra = ExtraClaims::from_payload(json);
        }
        Ok(claims)
    }
}

impl<'de> Deserialize<'de> for Payload<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PayloadVisitor)
    }
}

struct PayloadVisitor;

impl<'de> Visitor<'de> for PayloadVisitor {
    type Value = Payload<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a claims set")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut payload = Payload::default();
        let mut others: Vec<Cow<'de, str>> = Vec::new();
        while let Some(Text(name)) = map.next_key()? {
            // `Claims::WITH_FIELD` has the same names.
            match &*name {
                "pid" => set(&mut payload.pid, &mut map)?,
                "exp" => set(&mut payload.exp, &mut map)?,
                "nbf" => set(&mut payload.nbf, &mut map)?,
                "iat" => set(&mut payload.iat, &mut map)?,
                "auth_time" => set(&mut payload.auth_time, &mut map)?,
                "iss" => set(&mut payload.iss, &mut map)?,
                "aud" => set(&mut payload.aud, &mut map)?,
                "jti" => set(&mut payload.jti, &mut map)?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    others.push(name);
                }
            }
        }
        // RFC 7519 §4: "The Claim Names within a JWT Claims Set MUST be unique". Sorted, because a
        // token may have a thousand of them.
        others.sort_unstable();
        if others.is_sorted_by(|a, b| a < b) {
            payload.has_others = !others.is_empty();
            Ok(payload)
        } else {
            Err(duplicate())
        }
    }
}

/// Sets a claim that may occur once. `null` is a value of the wrong type, not an absent value.
fn set<'de, A, T>(claim: &mut Option<T>, map: &mut A) -> Result<(), A::Error>
where
    A: MapAccess<'de>,
    T: Deserialize<'de>,
{
    match claim.replace(map.next_value()?) {
        None => Ok(()),
        Some(_) => Err(duplicate()),
    }
}

fn duplicate<E: Error>() -> E {
    E::custom("a claim occurs twice")
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

    fn to_boxed(&self) -> Box<[Box<str>]> {
        match self {
            Self::One(one) => [(&**one).into()].into(),
            Self::Many(many) => many.iter().map(Text::to_boxed).collect(),
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

/// The `pid` claim: a string, `null`, or another type.
enum Pid<'a> {
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
