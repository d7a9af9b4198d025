//! Limits of the fields of a request: its top-level names in JSON, in a form and in the query.

use std::fmt;
use std::iter;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::rule::{Rule, invalid};
use crate::error::ConfigError;
use crate::path::pattern::Compare;
use crate::path::percent::FormDecoder;

/// The characters of the name of a refused field that a response repeats.
const MAX_NAME: usize = 64;

/// Limits the fields of the requests to which a rule applies.
#[derive(Clone, Debug)]
pub(super) struct FieldRule {
    pub(super) rule: Rule,
    names: Vec<Arc<FieldName>>,
}

/// `first_name`, or a member of an object: `attributes.comms`.
#[derive(Debug, PartialEq, Eq)]
struct FieldName {
    field: Box<str>,
    member: Option<Box<str>>,
}

/// The fields that a request may contain. All others are refused.
///
/// A name is compared exactly, and a form only has the spellings that every parser reads the same.
/// So the tenant cannot find another field, whichever of its parsers it uses.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldLimit(Vec<Arc<FieldName>>);

impl FieldRule {
    pub(super) fn parse<I>(methods: &str, path: &str, names: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let rule = Rule::parse(methods, path)?;
        if rule.names_a_read() {
            return Err(invalid("GET and HEAD have no fields", methods));
        }
        let names = names.into_iter().map(|name| {
            let name = name.as_ref();
            let parsed = FieldName::parse(name).map(Arc::new);
            parsed.map_err(|reason| invalid(reason, name))
        });
        let names = names.collect::<Result<_, _>>()?;
        Ok(Self { rule, names })
    }
}

impl FieldName {
    fn parse(name: &str) -> Result<Self, &'static str> {
        let (field, member) = match name.split_once('.') {
            Some((field, member)) => (field, Some(member)),
            None => (name, None),
        };
        let is_plain = |part: &str| {
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-:".contains(&byte);
            !part.is_empty() && part.bytes().all(is_allowed)
        };
        if field == "_method" {
            return Err("it would override the method");
        }
        if !is_plain(field) || !member.is_none_or(is_plain) {
            return Err("a field is `name` or `name.member`, of letters, digits, _, - and :");
        }
        let (field, member) = (field.into(), member.map(Box::from));
        Ok(Self { field, member })
    }
}

impl FieldLimit {
    /// The limit of the rules for one decoded path; `None` if there are none. As denials do, a
    /// limit ignores the case of the path. As allowances do, names apply to the exact path only.
    pub(super) fn of_path<'a>(
        rules: impl Iterator<Item = &'a FieldRule>,
        path: &[String],
    ) -> Option<Self> {
        let mut limit = None;
        for FieldRule { rule, names } in rules {
            if rule.matches(path, Compare::Loose) {
                let Self(allowed) = limit.get_or_insert_default();
                if rule.matches(path, Compare::Exact) {
                    allowed.extend(names.iter().cloned());
                }
            }
        }
        limit
    }

    /// The fields that both limits allow.
    pub(super) fn intersect(mut self, other: &Self) -> Self {
        self.0.retain(|name| other.0.contains(name));
        self
    }

    /// Whether a field is allowed, or a member of it.
    pub(super) fn allows(&self, field: &str, member: Option<&str>) -> bool {
        self.0.iter().any(|name| {
            *name.field == *field && (name.member.is_none() || name.member.as_deref() == member)
        })
    }

    fn allows_members(&self, field: &str) -> bool {
        self.0.iter().any(|name| *name.field == *field)
    }

    /// The first name in a query or a form that is not allowed.
    ///
    /// PHP reads `a.b` and `[a` as `a_b` and `_a`, skips blanks before a name, and ends it at NUL.
    /// No such name is equal to an allowed one, so it is refused.
    pub(crate) fn refused_in_form(&self, form: &[u8]) -> Option<String> {
        // PHP splits at `&`, and also at `;` if `arg_separator.input` is configured so. A name with
        // a `;` is refused, so the first part of a pair has the same name in both readings.
        let pairs = form.split(|&byte| byte == b'&');
        let mut pairs = pairs.flat_map(|pair| {
            let parts = pair.split(|&byte| byte == b';').skip(1);
            iter::once(pair).chain(parts)
        });
        pairs.find_map(|pair| {
            let name = pair.split(|&byte| byte == b'=').next().unwrap_or_default();
            let name: Vec<u8> = FormDecoder::new(name).collect();
            let name = String::from_utf8_lossy(&name);
            let is_allowed = pair.is_empty()
                || split_keys(&name).is_some_and(|(field, key)| self.allows(field, key));
            (!is_allowed).then(|| shorten(&name))
        })
    }

    /// The first member of a JSON object that is not allowed. Of equal names, each one counts.
    ///
    /// # Errors
    /// If the text is not a JSON object.
    pub(crate) fn refused_in_json(&self, json: &[u8]) -> Result<Option<String>, serde_json::Error> {
        let Members(members) = serde_json::from_slice(json)?;
        Ok(members
            .iter()
            .find_map(|(field, value)| self.refused_member(field, value)))
    }

    fn refused_member(&self, field: &str, value: &RawValue) -> Option<String> {
        if self.allows(field, None) {
            return None;
        }
        let members = match serde_json::from_str(value.get()) {
            Ok(Members(members)) if self.allows_members(field) => members,
            _ => return Some(shorten(field)),
        };
        let mut names = members.iter().map(|(name, _)| name);
        let refused = names.find(|name| !self.allows(field, Some(name)))?;
        Some(shorten(&format!("{field}.{refused}")))
    }
}

/// The field and the first key of a name such as `attributes[comms][email_promo]`. `None` if
/// parsers may disagree about its brackets.
fn split_keys(name: &str) -> Option<(&str, Option<&str>)> {
    let Some((field, keys)) = name.split_once('[') else {
        return Some((name, None));
    };
    let mut keys = keys.strip_suffix(']')?.split("][");
    let is_plain = keys.clone().all(|key| !key.contains(['[', ']', '\0']));
    is_plain.then(|| (field, keys.next()))
}

fn shorten(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}

/// The members of a JSON object, in the order of the text, repeated names included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests;
