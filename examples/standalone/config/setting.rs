//! A value of a flag, of a variable or of the configuration file.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

/// A value with its origin, for messages.
#[derive(Clone)]
pub(super) struct Setting<T> {
    pub(super) value: T,
    /// Where the value is in the file. `None` for a flag or a variable.
    pub(super) offset: Option<usize>,
}

impl<T> Setting<T> {
    /// The value of a flag or a variable.
    pub(super) fn flag(value: T) -> Self {
        Self {
            value,
            offset: None,
        }
    }
}

/// A number as text: its range is checked later, with the name of the setting. In the file it is
/// an integer.
#[derive(Clone)]
pub(super) struct Number(pub(super) String);

/// A type of values, by its name in error messages.
trait Kind {
    const EXPECTED: &str;
}

impl Kind for String {
    const EXPECTED: &str = "a text in quotes";
}

impl Kind for PathBuf {
    const EXPECTED: &str = "a path in quotes";
}

impl Kind for Number {
    const EXPECTED: &str = "a whole number";
}

impl Kind for bool {
    const EXPECTED: &str = "true or false";
}

impl<'de, T: Kind + Deserialize<'de>> Deserialize<'de> for Setting<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The message of the deserializer contains the value, which may be a secret.
        let spanned = Spanned::<T>::deserialize(deserializer)
            .map_err(|_| D::Error::custom(format_args!("must be {}", T::EXPECTED)))?;
        Ok(Self {
            offset: Some(spanned.span().start),
            value: spanned.into_inner(),
        })
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer).map(|number| Self(number.to_string()))
    }
}

// How `clap` parses the values of flags.

impl From<String> for Setting<String> {
    fn from(value: String) -> Self {
        Self::flag(value)
    }
}

impl From<OsString> for Setting<PathBuf> {
    fn from(value: OsString) -> Self {
        Self::flag(value.into())
    }
}

impl FromStr for Setting<Number> {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::flag(Number(text.to_owned())))
    }
}

impl FromStr for Setting<bool> {
    type Err = std::str::ParseBoolError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self::flag)
    }
}
