//! The flags as they are given: by the command line, or else by variables.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, FromArgMatches};

use super::flags::{self, Flags};
use super::variables::{self, Variable, Variables};

/// Flags of which one at most is given. One on the command line wins over the variable of the
/// other.
const ALTERNATIVES: [(&str, &str); 3] = [
    ("upstream", "sandbox"),
    ("api-token", "api-token-file"),
    ("signing-key", "signing-key-file"),
];

/// What the command line asks for.
pub(super) enum Command {
    Serve(Box<Given>),
    /// `--help` and `--version`.
    Print(String),
}

/// The flags, and where they come from.
pub(super) struct Given {
    pub(super) flags: Flags,
    pub(super) warnings: Vec<String>,
    matches: ArgMatches,
    variables: BTreeMap<String, Variable>,
}

impl Given {
    /// Reads the command line, and variables for the flags that it leaves out.
    pub(super) fn read(
        argv: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Command, String> {
        let mut argv: Vec<_> = argv.into_iter().collect();
        let typed = match flags::command().try_get_matches_from(&argv) {
            Ok(typed) => typed,
            Err(error) if !error.use_stderr() => return Ok(Command::Print(error.to_string())),
            Err(error) => return Err(one_line(&error)),
        };
        let names = flags::command();
        let names = names.get_arguments().filter_map(|flag| flag.get_long());
        let names: Vec<_> = names.map(str::to_owned).collect();
        let Variables {
            of_flags: mut variables,
            warnings,
        } = variables::read(&names, environment)?;
        variables.retain(|flag, _| {
            let alternative = alternative(flag);
            !is_given(&typed, flag) && !alternative.is_some_and(|flag| is_given(&typed, flag))
        });
        // A variable is another way to give its flag.
        for (flag, variable) in &variables {
            argv.extend(argument(flag, variable)?);
        }
        let matches = flags::command().try_get_matches_from(argv);
        let matches = matches.map_err(|error| one_line(&error))?;
        let flags = Flags::from_arg_matches(&matches).map_err(|error| one_line(&error))?;
        let given = Self {
            flags,
            warnings,
            matches,
            variables,
        };
        for (one, other) in ALTERNATIVES {
            if given.has(one) && given.has(other) {
                let (one, other) = (given.name(one), given.name(other));
                return Err(format!("give {one} or {other}, not both"));
            }
        }
        Ok(Command::Serve(Box::new(given)))
    }

    pub(super) fn has(&self, flag: &str) -> bool {
        is_given(&self.matches, flag)
    }

    /// The flag, or the variable that it was given by.
    pub(super) fn name(&self, flag: &str) -> String {
        match self.variables.get(flag) {
            Some(variable) => variable.name.clone(),
            None => format!("--{flag}"),
        }
    }
}

fn is_given(matches: &ArgMatches, flag: &str) -> bool {
    matches.value_source(&flag.replace('-', "_")) == Some(ValueSource::CommandLine)
}

fn alternative(flag: &str) -> Option<&'static str> {
    ALTERNATIVES.iter().find_map(|&(one, other)| match flag {
        _ if flag == one => Some(other),
        _ if flag == other => Some(one),
        _ => None,
    })
}

/// The flag with the value of its variable; none, if that says no.
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
    flag.is_some_and(|flag| matches!(flag.get_action(), ArgAction::SetTrue))
}

/// The error alone, without the usage that `clap` adds in further paragraphs.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.trim().is_empty());
    let line = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}
