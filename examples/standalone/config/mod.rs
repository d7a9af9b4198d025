//! The configuration: command line, environment variables and configuration file, checked and
//! turned into a [`Config`].
//!
//! | file | contents |
//! | --- | --- |
//! | `parse` | the steps from the command line to the checked configuration |
//! | `arguments`, `flags`, `variables` | the command line and the environment |
//! | `file`, `field_names` | the configuration file |
//! | `server_fields`, `tenant_fields`, `setting` | settings before the check, of both sources |
//! | `checker`, `server_check`, `tenant_check`, `resolver`, `values` | the check |
//! | `model`, `server`, `tenant`, `sessions`, `keys`, `access_rules` | the checked configuration |
//! | `tenant_builder` | the service of a tenant |
//! | `secrets`, `certificates` | files |

mod access_rules;
mod arguments;
mod certificates;
mod checker;
mod field_names;
mod file;
mod flags;
mod keys;
mod model;
mod parse;
mod resolver;
mod secrets;
mod server;
mod server_check;
mod server_fields;
mod sessions;
mod setting;
mod tenant;
mod tenant_builder;
mod tenant_check;
mod tenant_fields;
mod values;
mod variables;

pub(crate) use self::arguments::Parsed;
pub(crate) use self::certificates::TlsFiles;
pub(crate) use self::keys::random_key;
pub(crate) use self::model::{Config, Limits, LogFormat, ResolverConfig};
pub(crate) use self::server::{ListenAddress, ServerConfig};
pub(crate) use self::sessions::{OnOutage, Sessions, StoreKind, namespace};
pub(crate) use self::tenant::TenantConfig;
