//! Environment variables. Each one sets a flag that the command line omits.

use std::collections::BTreeMap;
use std::ffi::OsString;

use strsim::levenshtein;

const PREFIX: &str = "OMNEO_ID_";

/// Deprecated names and their flags.
const DEPRECATED: [(&str, &str); 5] = [
    ("OMNEO_UPSTREAM", "upstream"),
    ("OMNEO_UPSTREAM_BASE", "upstream-base"),
    ("OMNEO_API_TOKEN", "api-token"),
    ("OMNEO_ID_CORS_ORIGINS", "cors-origin"),
    ("RUST_LOG", "log"),
];

/// Prefixes of the variables that Kubernetes sets for a service called `omneo-id`.
const KUBERNETES: [&str; 2] = ["OMNEO_ID_SERVICE_", "OMNEO_ID_PORT"];

/// Largest Levenshtein distance at which an unknown name counts as a typing error.
const TYPO: usize = 2;

/// A variable with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
}

/// The variables that are set.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// By flag.
    pub(super) by_flag: BTreeMap<String, Variable>,
    pub(super) warnings: Vec<String>,
}

/// The name of a flag's variable.
pub(super) fn name(flag: &str) -> String {
    format!("{PREFIX}{}", flag.to_ascii_uppercase().replace('-', "_"))
}

/// Reads the variables of these flags. An empty variable counts as unset.
///
/// # Errors
/// If a name is similar to that of a variable, or a value is not UTF-8. Messages contain no values.
pub(super) fn read(
    flags: &[String],
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Variables, String> {
    let mut set = BTreeMap::new();
    for (name, value) in environment {
        // The names of this program are ASCII: others are skipped.
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
            variables.by_flag.insert(flag.clone(), variable);
        }
    }
    for (deprecated, flag) in DEPRECATED {
        if let Some(variable) = take(deprecated.to_owned())? {
            variables.add_deprecated(flag, variable);
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
    /// The variable with the current name has precedence.
    fn add_deprecated(&mut self, flag: &str, deprecated: Variable) {
        match self.by_flag.get(flag) {
            None => {
                self.by_flag.insert(flag.to_owned(), deprecated);
            }
            Some(current) if current.value != deprecated.value => self.warnings.push(format!(
                "{} is ignored: {} has another value",
                deprecated.name, current.name
            )),
            Some(_) => {}
        }
    }
}

/// The unknown names with the prefix of this program.
fn unknown<'a>(
    flags: &[String],
    names: impl Iterator<Item = &'a String>,
) -> Result<Vec<String>, String> {
    let current: Vec<_> = flags.iter().map(|flag| name(flag)).collect();
    let deprecated = DEPRECATED.iter().map(|(name, _)| *name);
    let known = current.iter().map(String::as_str).chain(deprecated);
    // Other programs have variables with names similar to `RUST_LOG`.
    let known = known.filter(|known| *known != "RUST_LOG");
    let mut unknown = Vec::new();
    for given in names {
        if KUBERNETES.iter().any(|prefix| given.starts_with(prefix)) {
            continue;
        }
        let upper = given.to_ascii_uppercase();
        let distances = known
            .clone()
            .map(|known| (levenshtein(known, &upper), known));
        if let Some((0..=TYPO, meant)) = distances.min() {
            return Err(format!("the variable {given} is unknown: {meant} is meant"));
        }
        // A name with the vendor's prefix may belong to another program: reported only if the name
        // would be known with our prefix.
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
