//! The claims of a token that have no field in [`Claims`](super::Claims).

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The payload of a token as JSON text, if it has claims without a field.
///
/// One allocation for all claims. A claim is parsed when it is read, into the type that the caller
/// requests.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct ExtraClaims(Option<Box<str>>);

impl ExtraClaims {
    /// `payload` is a valid JSON object in which no name occurs twice.
    pub(crate) fn from_payload(payload: &str) -> Self {
        Self(Some(payload.into()))
    }

    pub(super) fn get<'a, T>(&'a self, name: &str) -> Result<Option<T>, InvalidClaim>
    where
        T: Deserialize<'a>,
    {
        let Some(payload) = &self.0 else {
            return Ok(None);
        };
        let member = Member(name, PhantomData);
        let value = member.deserialize(&mut serde_json::Deserializer::from_str(payload));
        let invalid = |_| InvalidClaim { name: name.into() };
        let Some(value) = value.map_err(invalid)? else {
            return Ok(None);
        };
        serde_json::from_str(value.get()).map(Some).map_err(invalid)
    }
}

/// The value of one member of an object.
struct Member<'n, 'de>(&'n str, PhantomData<&'de str>);

impl<'de> DeserializeSeed<'de> for Member<'_, 'de> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Member<'_, 'de> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut value = None;
        while let Some(is_wanted) = map.next_key_seed(Equals(self.0))? {
            if is_wanted {
                value = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(value)
    }
}

/// Whether a name, without its escapes, equals this one. It does not allocate.
struct Equals<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Equals<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Equals<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

/// Shows no claim: claims of an application may be personal data.
impl fmt::Debug for ExtraClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtraClaims").finish_non_exhaustive()
    }
}

/// A claim does not have the requested type.
///
/// The error contains the name of the claim, not its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidClaim {
    name: Box<str>,
}

impl InvalidClaim {
    /// The name of the claim.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for InvalidClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the claim `{}` has another type", self.name)
    }
}

impl Error for InvalidClaim {}
