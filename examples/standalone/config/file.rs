//! The configuration file: `[server]`, `[defaults]` and `[[tenant]]`.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use strsim::levenshtein;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::field_names::field_names;
use super::secrets;
use super::server_fields::ServerFields;
use super::tenant_fields::TenantFields;

/// Fields of a tenant that cannot have a default: tenants do not share names, origins and secrets.
const NOT_IN_DEFAULTS: [&str; 14] = [
    "key",
    "hosts",
    "upstream",
    "sandbox",
    "api_token",
    "api_token_file",
    "signing_key",
    "signing_key_file",
    "key_id",
    "verifying_key_file",
    "audience",
    "pinned_api_token_file",
    "webhook_secret",
    "webhook_secret_file",
];

/// A known field is suggested for an unknown one if the Levenshtein distance of their names is at
/// most the length of the known name divided by this number.
const TYPO: usize = 3;

/// Limit for the configuration file in bytes: 1000 tenants with 1000 bytes each.
const MAX_FILE: u64 = 1024 * 1024;

/// The content of a configuration file.
#[derive(Default)]
pub(super) struct File {
    pub(super) source: Source,
    pub(super) server: ServerFields,
    pub(super) tenants: Vec<TenantFields>,
    /// Where each tenant begins.
    pub(super) offsets: Vec<usize>,
}

/// The path and the text of the file, to locate a field in a message.
#[derive(Default)]
pub(super) struct Source {
    path: PathBuf,
    text: String,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Document {
    server: ServerFields,
    // `add_defaults` has copied these fields to the tenants. They are deserialized here to check
    // also those that each tenant overrides.
    #[allow(dead_code, reason = "deserialized to check the types")]
    defaults: TenantFields,
    tenant: Vec<TenantFields>,
}

impl Source {
    /// Reads the text of a file.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        Ok(Self {
            path: path.to_owned(),
            text: secrets::read_text(path, MAX_FILE)?,
        })
    }

    /// The position of a byte: `omneo-id.toml:7`.
    pub(super) fn position(&self, offset: usize) -> String {
        let before = self.text.as_bytes().iter().take(offset);
        let line = before.filter(|&&byte| byte == b'\n').count() + 1;
        format!("{}:{line}", self.path.display())
    }

    /// The path of a file that is named in this one: relative to its directory.
    pub(super) fn resolve(&self, path: &Path) -> PathBuf {
        match self.path.parent() {
            Some(directory) => directory.join(path),
            None => path.to_owned(),
        }
    }

    pub(super) fn path(&self) -> std::path::Display<'_> {
        self.path.display()
    }
}

impl File {
    /// Parses a file. Unknown fields are added to `problems`; the rest is read without them.
    ///
    /// # Errors
    /// The first error of syntax or type. Messages contain no values.
    pub(super) fn parse(source: Source, problems: &mut Vec<String>) -> Result<Self, String> {
        let text = source.text.clone();
        let table = DeTable::parse(&text).map_err(|error| {
            let position = source.position(error.span().map_or(0, |span| span.start));
            // Further lines of a message may quote the file.
            let message = error.message().lines().next().unwrap_or_default();
            format!("{position}: {message}")
        })?;
        let span = table.span();
        let mut table = table.into_inner();
        let fields = Fields::new(&table);
        for unknown in remove_unknown(&mut table) {
            let position = source.position(unknown.offset);
            problems.push(format!("{position}: {}", unknown.problem));
        }
        let offsets = add_defaults(&mut table);
        if let (Some((defaults, _)), true) = (table.get_key_value("defaults"), offsets.is_empty()) {
            let position = source.position(defaults.span().start);
            problems.push(format!(
                "{position}: [defaults] has no effect without a [[tenant]]"
            ));
        }
        let deserializer = Deserializer::from(Spanned::new(span, table));
        let document = Document::deserialize(deserializer).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let position = source.position(offset);
            let field = fields.at(offset).unwrap_or("the file");
            format!("{position}: {field} {}", type_problem(error.message()))
        })?;
        Ok(Self {
            source,
            server: document.server,
            tenants: document.tenant,
            offsets,
        })
    }
}

/// An error of type without the value, which the message of the deserializer contains.
fn type_problem(message: &str) -> &str {
    match message.rsplit_once(", expected ") {
        _ if message.starts_with("must be ") => message,
        Some((_, expected)) if expected.starts_with("struct ") => "must be a table",
        Some((_, "a sequence")) => "must be a list",
        _ => "has the wrong type",
    }
}

/// An unknown field, or one in the wrong table.
struct Unknown {
    offset: usize,
    problem: String,
}

/// Removes the unknown fields from the tables of the file.
fn remove_unknown(table: &mut DeTable<'_>) -> Vec<Unknown> {
    let mut unknown = Vec::new();
    retain_known(table, "the file", field_names::<Document>(), &mut unknown);
    for (name, value) in table.iter_mut() {
        match (name.get_ref().as_ref(), value.get_mut()) {
            ("server", DeValue::Table(server)) => {
                retain_known(
                    server,
                    "[server]",
                    field_names::<ServerFields>(),
                    &mut unknown,
                );
            }
            ("defaults", DeValue::Table(defaults)) => {
                let known = field_names::<TenantFields>();
                retain_known(defaults, "[defaults]", known, &mut unknown);
                filter(defaults, |name, offset| {
                    let is_allowed = !NOT_IN_DEFAULTS.contains(&name);
                    if !is_allowed {
                        let problem = format!("{name} is a field of a [[tenant]] only");
                        unknown.push(Unknown { offset, problem });
                    }
                    is_allowed
                });
            }
            ("tenant", DeValue::Array(tenants)) => {
                for tenant in tenants.iter_mut() {
                    if let DeValue::Table(tenant) = tenant.get_mut() {
                        let known = field_names::<TenantFields>();
                        retain_known(tenant, "[[tenant]]", known, &mut unknown);
                    }
                }
            }
            _ => {}
        }
    }
    unknown.sort_by_key(|unknown| unknown.offset);
    unknown
}

fn retain_known(table: &mut DeTable<'_>, title: &str, known: &[&str], unknown: &mut Vec<Unknown>) {
    filter(table, |field, offset| {
        let is_known = known.contains(&field);
        if !is_known {
            let hint = match nearest(field, known) {
                Some(meant) => format!(": {meant} is meant"),
                None => String::new(),
            };
            let problem = format!("{field:?} is not a field of {title}{hint}");
            unknown.push(Unknown { offset, problem });
        }
        is_known
    });
}

/// Keeps the fields with a name and a position that `keep` accepts.
fn filter(table: &mut DeTable<'_>, mut keep: impl FnMut(&str, usize) -> bool) {
    let fields = std::mem::take(table).into_iter();
    *table = fields
        .filter(|(name, _)| keep(name.get_ref(), name.span().start))
        .collect();
}

/// The known name with the smallest distance, if it is similar.
fn nearest<'a>(field: &str, known: &[&'a str]) -> Option<&'a str> {
    // A flag has `-` instead of `_`.
    let field = field.to_ascii_lowercase().replace('-', "_");
    let distances = known
        .iter()
        .map(|known| (levenshtein(known, &field), *known));
    let (distance, name) = distances.min()?;
    (distance * TYPO <= name.len()).then_some(name)
}

/// Adds the fields of `[defaults]` to each tenant that does not set them. Returns where the
/// tenants begin.
fn add_defaults(table: &mut DeTable<'_>) -> Vec<usize> {
    let defaults = match table.get("defaults").map(Spanned::get_ref) {
        Some(DeValue::Table(defaults)) => defaults.clone(),
        _ => DeTable::default(),
    };
    let Some(DeValue::Array(tenants)) = table.get_mut("tenant").map(Spanned::get_mut) else {
        return Vec::new();
    };
    let mut offsets = Vec::new();
    for tenant in tenants.iter_mut() {
        offsets.push(tenant.span().start);
        if let DeValue::Table(tenant) = tenant.get_mut() {
            for (name, value) in &defaults {
                if !tenant.contains_key(name.get_ref().as_ref()) {
                    tenant.insert(name.clone(), value.clone());
                }
            }
        }
    }
    offsets
}

/// The fields of the file with the spans of their values.
struct Fields(Vec<(Range<usize>, String)>);

impl Fields {
    fn new(table: &DeTable<'_>) -> Self {
        let mut fields = Self(Vec::new());
        fields.add(table);
        fields
    }

    fn add(&mut self, table: &DeTable<'_>) {
        for (name, value) in table {
            self.0.push((value.span(), name.get_ref().to_string()));
            match value.get_ref() {
                DeValue::Table(table) => self.add(table),
                DeValue::Array(items) => {
                    let tables = items.iter().filter_map(|item| item.get_ref().as_table());
                    tables.for_each(|table| self.add(table));
                }
                _ => {}
            }
        }
    }

    /// The innermost field at this position.
    fn at(&self, offset: usize) -> Option<&str> {
        let fields = self.0.iter().filter(|(span, _)| span.contains(&offset));
        let innermost = fields.min_by_key(|(span, _)| span.len());
        innermost.map(|(_, name)| name.as_str())
    }
}

#[cfg(test)]
mod tests;
