//! The flags. Each has an environment variable: `OMNEO_ID_TOKEN_TTL` for `--token-ttl`.

use std::path::PathBuf;

use clap::{Command, CommandFactory, Parser};

use super::server_fields::ServerFields;
use super::tenant_fields::TenantFields;
use super::variables;

/// Omneo ID in front of a tenant, or of the embedded sandbox.
///
/// Flags override environment variables, and these the file of --config. Set secrets by variables
/// or files: the process list shows flags.
#[derive(Parser)]
#[command(name = "standalone", version)]
pub(super) struct Flags {
    /// Configuration file, TOML, with one or more tenants. The flags of the server override it.
    /// Default is none.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Check the configuration with all files that it names, report every problem, and exit.
    /// Default is to serve.
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(super) check: Option<bool>,

    #[command(flatten)]
    pub(super) server: ServerFields,

    #[command(flatten)]
    pub(super) tenant: TenantFields,
}

/// The `clap` command, with the variable of each flag in its help.
pub(super) fn command() -> Command {
    Flags::command().mut_args(|flag| {
        let Some(name) = flag.get_long() else {
            return flag;
        };
        let variable = variables::name(name);
        let help = flag.get_help().map(ToString::to_string);
        flag.help(format!("{} [env: {variable}]", help.unwrap_or_default()))
    })
}

/// The names of the flags of a part of the configuration, such as [`TenantFields`].
pub(super) fn flag_names<T: clap::Args>() -> Vec<String> {
    let command = T::augment_args(Command::new("part"));
    let names = command.get_arguments().filter_map(|flag| flag.get_long());
    names.map(str::to_owned).collect()
}
