//! Variables of the environment: each stands in for a flag.

use std::collections::BTreeMap;
use std::ffi::OsString;

use strsim::levenshtein;

const PREFIX: &str = "OMNEO_ID_";

/// Names of earlier releases, and their flags.
const OLDER: [(&str, &str); 5] = [
    ("OMNEO_UPSTREAM", "upstream"),
    ("OMNEO_UPSTREAM_BASE", "upstream-base"),
    ("OMNEO_API_TOKEN", "api-token"),
    ("OMNEO_ID_CORS_ORIGINS", "cors-origin"),
    ("RUST_LOG", "log"),
];

/// Names that Kubernetes gives to the variables of a service called `omneo-id`.
const OF_KUBERNETES: [&str; 2] = ["OMNEO_ID_SERVICE_", "OMNEO_ID_PORT"];

/// A name with at most this many letters added, left out or replaced is a mistyped one.
const TYPO: usize = 2;

/// A value, and the variable that it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
}

/// The variables that are set, by their flags.
#[derive(Debug, Default)]
pub(super) struct Variables {
    pub(super) of_flags: BTreeMap<String, Variable>,
    pub(super) warnings: Vec<String>,
}

/// The variable of a flag.
pub(super) fn name(flag: &str) -> String {
    format!("{PREFIX}{}", flag.to_ascii_uppercase().replace('-', "_"))
}

/// Reads the variables of these flags. One without a value counts as unset.
///
/// # Errors
/// If a name is nearly that of a variable, or a value is not UTF-8. No message holds a value.
pub(super) fn read(
    flags: &[String],
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Variables, String> {
    let mut set = BTreeMap::new();
    for (name, value) in environment {
        // A name that is not UTF-8 is none of ours.
        if let (Ok(name), false) = (name.into_string(), value.is_empty()) {
            set.insert(name, value);
        }
    }
    let mut take = |name: String| match set.remove(&name).map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(Variable { name, value })),
        Some(Err(_)) => Err(format!("{name} is not UTF-8")),
    };
    let mut variables = Variables::default();
    for flag in flags {
        if let Some(variable) = take(name(flag))? {
            variables.of_flags.insert(flag.clone(), variable);
        }
    }
    for (older, flag) in OLDER {
        if let Some(variable) = take(older.to_owned())? {
            variables.add_older(flag, variable);
        }
    }
    let unknown = unknown(flags, set.keys())?;
    if !unknown.is_empty() {
        let names = unknown.join(", ");
        let warning = format!("unknown variables are ignored: {names}");
        variables.warnings.push(warning);
    }
    Ok(variables)
}

impl Variables {
    /// The variable of today's name wins.
    fn add_older(&mut self, flag: &str, older: Variable) {
        match self.of_flags.get(flag) {
            None => {
                self.of_flags.insert(flag.to_owned(), older);
            }
            Some(newer) if newer.value != older.value => self.warnings.push(format!(
                "{} is ignored, as {} has another value",
                older.name, newer.name
            )),
            Some(_) => {}
        }
    }
}

/// The names that begin as those of this program do.
fn unknown<'a>(
    flags: &[String],
    names: impl Iterator<Item = &'a String>,
) -> Result<Vec<String>, String> {
    let current: Vec<_> = flags.iter().map(|flag| name(flag)).collect();
    let older = OLDER.iter().map(|(older, _)| *older);
    let known = current.iter().map(String::as_str).chain(older);
    // A short name of other programs.
    let known = known.filter(|known| *known != "RUST_LOG");
    let mut unknown = Vec::new();
    for given in names {
        if OF_KUBERNETES.iter().any(|prefix| given.starts_with(prefix)) {
            continue;
        }
        let upper = given.to_ascii_uppercase();
        let distances = known
            .clone()
            .map(|known| (levenshtein(known, &upper), known));
        if let Some((0..=TYPO, meant)) = distances.min() {
            return Err(format!("the variable {given} is unknown: {meant} is meant"));
        }
        // With the vendor's prefix alone it may be a variable of another program.
        let prefixed = upper
            .strip_prefix("OMNEO_")
            .map(|rest| format!("{PREFIX}{rest}"));
        if given.starts_with(PREFIX) {
            unknown.push(given.clone());
        } else if let Some(meant) = prefixed.filter(|name| current.contains(name)) {
            unknown.push(format!("{given} ({meant} is read)"));
        }
    }
    Ok(unknown)
}
