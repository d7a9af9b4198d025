//! The configuration: command line and environment variables, checked and turned into a [`Config`].

mod arguments;
mod flags;
mod model;
mod parse;
mod secrets;
mod sessions;
mod values;
mod variables;

pub(crate) use self::arguments::Parsed;
pub(crate) use self::model::{Config, Limits, LogFormat};
pub(crate) use self::sessions::{OnOutage, Sessions};
