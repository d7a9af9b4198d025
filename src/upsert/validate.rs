//! The payload against the table, before anybody is looked up, and its addresses in the one form in
//! which they are compared, looked up and stored. Pure.

use super::comms::{self, Kind};
use super::json::{Json, Object};
use super::policy::CommsPolicy;
use super::schema::{Field, LINE, LONG, PROFILE, Rule};
use super::{email, formats, phone};
use crate::rejection::FieldErrors;

/// So many complaints are listed; a payload made of mistakes must not be answered at length.
const MAX_ERRORS: usize = 100;

/// All that is wrong with a payload. Its e-mail and its phone numbers are put into their one form.
///
/// The tenant applies rules of its own on creation only, so whatever can be checked here is checked
/// here, before the look-up: a complaint then says nothing about who is a customer.
pub(super) fn validate(payload: &mut Object, policy: &CommsPolicy) -> FieldErrors {
    let mut check = Check {
        policy,
        path: String::with_capacity(64),
        errors: FieldErrors::default(),
        count: 0,
    };
    check.object(payload, PROFILE);
    check.errors
}

struct Check<'a> {
    policy: &'a CommsPolicy,
    path: String,
    errors: FieldErrors,
    count: usize,
}

impl Check<'_> {
    fn object(&mut self, object: &mut Object, fields: &[Field]) {
        for field in fields {
            match object.get_mut(field.name).filter(|value| !value.is_blank()) {
                Some(value) => self.at(field.name, |check| check.value(value, &field.rule)),
                None if field.required => self.at(field.name, |check| check.blame("is required.")),
                None => {}
            }
        }
    }

    fn value(&mut self, value: &mut Json, rule: &Rule) {
        match rule {
            Rule::Text(limit) => self.text(value, *limit),
            Rule::Email => {
                self.address(value, email::normalize, "must be a valid email address.");
            }
            Rule::Phone => self.address(
                value,
                phone::normalize,
                "must be a phone number with its country code (E.164), such as +61412345678.",
            ),
            Rule::Url => {
                self.text(value, LONG);
                if value.as_str().is_some_and(|text| !formats::is_url(text)) {
                    self.blame("must be a valid URL.");
                }
            }
            Rule::Moment => {
                if !value.as_str().is_some_and(formats::is_moment) {
                    self.blame("must be a valid date.");
                }
            }
            Rule::Integer(first, last) => match integer(value) {
                None => self.blame("must be an integer."),
                Some(number) if !(*first..=*last).contains(&number) => {
                    self.blame(format!("must be between {first} and {last}."));
                }
                Some(_) => {}
            },
            Rule::Number => {
                if !matches!(value, Json::Number(_)) {
                    self.blame("must be a number.");
                }
            }
            Rule::Flag => self.flag(value),
            Rule::Key => match value {
                Json::String(_) => self.text(value, LINE),
                _ if integer(value).is_some() => {}
                _ => self.blame("must be a string."),
            },
            Rule::OneOf(words) => {
                if !value.as_str().is_some_and(|text| words.contains(&text)) {
                    self.blame_value();
                }
            }
            Rule::Currency => {
                let code = |text: &str| {
                    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
                };
                if !value.as_str().is_some_and(code) {
                    self.blame("must be an ISO 4217 code, such as AUD.");
                }
            }
            Rule::List(rule) => self.list(value, rule),
            Rule::Object(fields) => match value {
                Json::Object(object) => self.object(object, fields),
                // What PHP makes of an object without members.
                Json::List(items) if items.is_empty() => {
                    self.object(&mut Object::default(), fields);
                }
                _ => self.blame("must be an object."),
            },
            Rule::Comms => match value {
                Json::Object(object) => self.comms(object),
                Json::List(items) if items.is_empty() => {}
                _ => self.blame("must be an object."),
            },
        }
    }

    fn list(&mut self, value: &mut Json, rule: &Rule) {
        let Json::List(items) = value else {
            return self.blame("must be an array.");
        };
        for (index, item) in items.iter_mut().enumerate() {
            if self.count >= MAX_ERRORS {
                return;
            }
            self.at(&index.to_string(), |check| match item {
                Json::Null => check.blame("is required."),
                _ => check.value(item, rule),
            });
        }
    }

    fn comms(&mut self, comms: &mut Object) {
        for (name, value) in &mut comms.0 {
            if !self.policy.recognises(name) || value.is_blank() {
                continue;
            }
            self.at(name, |check| match comms::kind(name) {
                Kind::Flag => check.flag(value),
                Kind::Moment => check.value(value, &Rule::Moment),
                Kind::Terms => match value {
                    Json::Bool(_) | Json::Number(_) => {}
                    _ => check.text(value, LINE),
                },
            });
        }
    }

    /// What people are found by, in the form that `plain` gives it.
    fn address(&mut self, value: &mut Json, plain: fn(&str) -> Option<String>, complaint: &str) {
        match value {
            Json::String(text) => match plain(text) {
                Some(plain) => *text = plain,
                None => self.blame(complaint),
            },
            _ => self.blame("must be a string."),
        }
    }

    fn text(&mut self, value: &Json, limit: usize) {
        match value.as_str() {
            None => self.blame("must be a string."),
            Some(text) if text.contains('\0') => self.blame("must be text."),
            Some(text) if text.chars().count() > limit => {
                self.blame(format!("must not be greater than {limit} characters."));
            }
            Some(_) => {}
        }
    }

    fn flag(&mut self, value: &Json) {
        if !matches!(value, Json::Bool(_)) {
            self.blame("must be true or false.");
        }
    }

    /// Looks at a part of what is looked at.
    fn at(&mut self, segment: &str, look: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(segment);
        look(self);
        self.path.truncate(length);
    }

    fn blame(&mut self, what: impl AsRef<str>) {
        let message = format!("The {} field {}", self.spoken(), what.as_ref());
        self.add(message);
    }

    fn blame_value(&mut self) {
        let message = format!("The selected {} is invalid.", self.spoken());
        self.add(message);
    }

    fn add(&mut self, message: String) {
        if self.count < MAX_ERRORS {
            self.errors.add(self.path.as_str(), message);
        }
        self.count += 1;
    }

    /// The field as the tenant's framework speaks of it: `attributes.comms.email promo`.
    fn spoken(&self) -> String {
        self.path.replace('_', " ")
    }
}

/// `12`, not `12.0` and not `"12"`.
fn integer(value: &Json) -> Option<i64> {
    match value {
        Json::Number(text) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
