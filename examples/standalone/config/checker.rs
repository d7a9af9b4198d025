//! Checks settings one by one, and collects errors and warnings.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::arguments::Arguments;
use super::file::Source;
use super::secrets::{self, Secret};
use super::setting::{Number, Setting};
use super::values;

/// Checks the settings of the server, or of one tenant.
pub(super) struct Checker<'a> {
    pub(super) arguments: &'a Arguments,
    source: &'a Source,
    /// The names of the settings that have been checked, by field.
    names: BTreeMap<&'static str, String>,
    pub(super) errors: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(arguments: &'a Arguments, source: &'a Source) -> Self {
        Self {
            arguments,
            source,
            names: BTreeMap::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The name of a setting in messages: `--token-ttl`, `OMNEO_ID_TOKEN_TTL`, or
    /// `omneo-id.toml:7: token_ttl`.
    fn describe<T>(&self, field: &str, setting: &Setting<T>) -> String {
        match setting.offset {
            Some(offset) => format!("{}: {field}", self.source.position(offset)),
            None => self.arguments.name(&field.replace('_', "-")),
        }
    }

    /// The name of a field that has been checked; that of its flag if it is not set.
    pub(super) fn name(&self, field: &str) -> String {
        match self.names.get(field) {
            Some(name) => name.clone(),
            None => self.arguments.name(&field.replace('_', "-")),
        }
    }

    /// Uses the name of a setting for problems with this field.
    pub(super) fn note<T>(&mut self, field: &'static str, setting: &Setting<T>) {
        let name = self.describe(field, setting);
        self.names.insert(field, name);
    }

    /// Reports a problem with the value of a field, as the end of a sentence.
    pub(super) fn invalid(&mut self, field: &str, problem: &str) {
        let name = self.name(field);
        self.errors.push(format!("{name} {problem}"));
    }

    /// Reports an error that a field causes.
    pub(super) fn failed(&mut self, field: &str, error: &str) {
        let name = self.name(field);
        self.errors.push(format!("{name}: {error}"));
    }

    /// The parsed value. `None` if it is not set, or is invalid and has been reported.
    pub(super) fn parse<T, U>(
        &mut self,
        field: &'static str,
        setting: &Option<Setting<T>>,
        parse: impl FnOnce(&T) -> Result<U, String>,
    ) -> Option<U> {
        let setting = setting.as_ref()?;
        self.note(field, setting);
        match parse(&setting.value) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.invalid(field, &problem);
                None
            }
        }
    }

    /// A text.
    pub(super) fn text(
        &mut self,
        field: &'static str,
        setting: &Option<Setting<String>>,
    ) -> Option<String> {
        self.parse(field, setting, |text| Ok(text.clone()))
    }

    /// A switch. Default is false.
    pub(super) fn switch(&mut self, field: &'static str, setting: &Option<Setting<bool>>) -> bool {
        self.parse(field, setting, |on| Ok(*on)).unwrap_or_default()
    }

    /// A number in this range.
    pub(super) fn number(
        &mut self,
        field: &'static str,
        setting: &Option<Setting<Number>>,
        range: RangeInclusive<usize>,
    ) -> Option<usize> {
        self.parse(field, setting, |number| values::number(&number.0, range))
    }

    /// A duration, or this number of seconds. `parse` accepts zero or rejects it.
    pub(super) fn duration(
        &mut self,
        field: &'static str,
        setting: &Option<Setting<String>>,
        default: u64,
        parse: fn(&str) -> Result<Duration, String>,
    ) -> Duration {
        self.parse(field, setting, |text| parse(text))
            .unwrap_or(Duration::from_secs(default))
    }

    /// A duration that `off` or the absence of the setting disables.
    pub(super) fn optional_duration(
        &mut self,
        field: &'static str,
        setting: &Option<Setting<String>>,
    ) -> Option<Duration> {
        let duration = self.parse(field, setting, |text| match text.as_str() {
            "off" => Ok(None),
            text => values::timeout(text).map(Some),
        });
        duration.flatten()
    }

    /// A list of texts.
    pub(super) fn list(
        &mut self,
        field: &'static str,
        settings: &Option<Vec<Setting<String>>>,
    ) -> Vec<String> {
        self.parse_each(field, settings, |text| Ok(text.to_owned()))
    }

    /// A list whose items are parsed one by one. Without white space around items, and without
    /// empty items.
    pub(super) fn parse_each<U>(
        &mut self,
        field: &'static str,
        settings: &Option<Vec<Setting<String>>>,
        parse: impl Fn(&str) -> Result<U, String>,
    ) -> Vec<U> {
        let mut items = Vec::new();
        for setting in settings.iter().flatten() {
            self.note(field, setting);
            let text = setting.value.trim();
            if !text.is_empty() {
                match parse(text) {
                    Ok(item) => items.push(item),
                    Err(problem) => self.invalid(field, &problem),
                }
            }
        }
        items
    }

    /// The path of a file: those in the configuration file are relative to it.
    pub(super) fn path(&self, setting: &Setting<PathBuf>) -> PathBuf {
        match setting.offset {
            Some(_) => self.source.resolve(&setting.value),
            None => setting.value.clone(),
        }
    }

    /// The content of a file.
    pub(super) fn file<U>(
        &mut self,
        field: &'static str,
        setting: &Option<Setting<PathBuf>>,
        read: impl FnOnce(&Path) -> Result<U, String>,
    ) -> Option<U> {
        let setting = setting.as_ref()?;
        self.note(field, setting);
        match read(&self.path(setting)) {
            Ok(content) => Some(content),
            Err(problem) => {
                self.failed(field, &problem);
                None
            }
        }
    }

    /// A secret, as a value or in a file. Problems with the secret are reported with the name of
    /// the setting that is given.
    pub(super) fn secret(
        &mut self,
        field: &'static str,
        value: &Option<Setting<String>>,
        file_field: &'static str,
        file: &Option<Setting<PathBuf>>,
    ) -> Option<Secret> {
        if value.is_some() && file.is_some() {
            self.parse(field, value, |_| Ok(()));
            let file = file.as_ref().map(|file| self.describe(file_field, file));
            let problem = format!("and {} exclude each other", file.unwrap_or_default());
            self.invalid(field, &problem);
            return None;
        }
        if let Some(value) = self.text(field, value) {
            return Some(Secret::new(value));
        }
        let secret = self.file(file_field, file, secrets::read)?;
        self.alias(field, self.name(file_field));
        Some(secret)
    }

    /// Reports problems with `field` under this name.
    pub(super) fn alias(&mut self, field: &'static str, name: String) {
        self.names.insert(field, name);
    }
}
