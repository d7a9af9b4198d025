//! The arguments: flags of the command line, completed by environment variables.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};

use super::flags::{self, Flags};
use super::variables::{self, Variable, Variables};

/// Pairs of mutually exclusive settings. A flag on the command line overrides the variable of its
/// counterpart.
const ALTERNATIVES: [(&str, &str); 5] = [
    ("upstream", "sandbox"),
    ("api-token", "api-token-file"),
    ("signing-key", "signing-key-file"),
    ("revocations", "revocations-file"),
    ("webhook-secret", "webhook-secret-file"),
];

/// The result of parsing a command line.
pub(crate) enum Parsed<T> {
    Serve(Box<T>),
    /// The text of `--help` or `--version`.
    Print(String),
}

/// The flags and their sources.
pub(super) struct Arguments {
    pub(super) flags: Flags,
    pub(super) warnings: Vec<String>,
    matches: ArgMatches,
    variables: BTreeMap<String, Variable>,
}

impl Arguments {
    /// Parses the command line, and variables for the flags that it omits.
    pub(super) fn parse(
        argv: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Parsed<Self>, String> {
        let mut argv: Vec<_> = argv.into_iter().collect();
        let typed = match flags::command().try_get_matches_from(&argv) {
            Ok(typed) => typed,
            Err(error) if !error.use_stderr() => return Ok(Parsed::Print(error.to_string())),
            Err(error) => return Err(one_line(&error)),
        };
        let names = flags::command();
        let names = names.get_arguments().filter_map(|flag| flag.get_long());
        let names: Vec<_> = names.map(str::to_owned).collect();
        let Variables {
            by_flag: mut variables,
            warnings,
        } = variables::read(&names, environment)?;
        variables.retain(|flag, _| {
            let alternative = alternative(flag);
            !is_given(&typed, flag) && !alternative.is_some_and(|flag| is_given(&typed, flag))
        });
        // Variables become flags, so that `clap` checks both alike.
        for (flag, variable) in &variables {
            argv.extend(argument(flag, variable)?);
        }
        let matches = flags::command().try_get_matches_from(argv);
        let matches = matches.map_err(|error| one_line(&error))?;
        let flags = Flags::from_arg_matches(&matches).map_err(|error| one_line(&error))?;
        let arguments = Self {
            flags,
            warnings,
            matches,
            variables,
        };
        for (one, other) in ALTERNATIVES {
            if arguments.has(one) && arguments.has(other) {
                let (one, other) = (arguments.name(one), arguments.name(other));
                return Err(format!("give {one} or {other}, not both"));
            }
        }
        Ok(Parsed::Serve(Box::new(arguments)))
    }

    pub(super) fn has(&self, flag: &str) -> bool {
        is_given(&self.matches, flag)
    }

    /// Whether a flag is set on the command line, not by a variable.
    pub(super) fn is_typed(&self, flag: &str) -> bool {
        self.has(flag) && !self.variables.contains_key(flag)
    }

    /// The flag, or the variable that set it, for messages.
    pub(super) fn name(&self, flag: &str) -> String {
        match self.variables.get(flag) {
            Some(variable) => variable.name.clone(),
            None => format!("--{flag}"),
        }
    }

    /// Whether the variable of a switch is set to false, which overrides the file.
    pub(super) fn is_switched_off(&self, flag: &str) -> bool {
        self.variables.contains_key(flag) && !self.has(flag)
    }
}

/// Whether a flag is set on the command line.
fn is_given(matches: &ArgMatches, flag: &str) -> bool {
    matches.value_source(&flag.replace('-', "_")) == Some(ValueSource::CommandLine)
}

/// The counterpart of a mutually exclusive flag.
fn alternative(flag: &str) -> Option<&'static str> {
    ALTERNATIVES.iter().find_map(|&(one, other)| match flag {
        _ if flag == one => Some(other),
        _ if flag == other => Some(one),
        _ => None,
    })
}

/// The flag with the value of its variable. `None` for a switch that is set to false.
fn argument(flag: &str, variable: &Variable) -> Result<Option<OsString>, String> {
    let Variable { name, value } = variable;
    if !is_switch(flag) {
        return Ok(Some(format!("--{flag}={value}").into()));
    }
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(Some(format!("--{flag}").into())),
        "false" | "no" | "off" | "0" => Ok(None),
        _ => Err(format!("{name} {value:?} is neither true nor false")),
    }
}

fn is_switch(flag: &str) -> bool {
    let command = flags::command();
    let mut flags = command.get_arguments();
    let flag = flags.find(|argument| argument.get_long() == Some(flag));
    let values = flag.and_then(clap::Arg::get_num_args);
    values.is_some_and(|values| !values.takes_values())
}

/// The first paragraph of a `clap` error, without the usage that follows.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.trim().is_empty());
    let line = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}
