//! Validates a payload against the documented schema, before the look-up, and normalizes its
//! addresses: the normal form is compared, looked up and stored.

use super::comms;
use super::json::{Json, Object};
use super::policy::CommsPolicy;
use super::schema::{Field, MAX_STRING, MAX_URL, PROFILE, Rule};
use super::{email, formats, phone};
use crate::rejection::FieldErrors;

/// Errors that a response lists at most. It bounds the response to a payload full of errors; the
/// documented profile has fewer than 100 fields.
const MAX_ERRORS: usize = 100;

/// Returns every validation error of a payload, and normalizes its e-mail and phone numbers.
///
/// The tenant validates only creations. Every rule that can be checked without the tenant is
/// therefore checked here, before the look-up, so that an error does not reveal whether the person
/// is a customer.
pub(super) fn validate(payload: &mut Object, policy: &CommsPolicy) -> FieldErrors {
    let mut validator = Validator {
        policy,
        path: String::with_capacity(64),
        errors: FieldErrors::default(),
        count: 0,
    };
    validator.object(payload, PROFILE);
    validator.errors
}

struct Validator<'a> {
    policy: &'a CommsPolicy,
    path: String,
    errors: FieldErrors,
    count: usize,
}

impl Validator<'_> {
    fn object(&mut self, object: &mut Object, fields: &[Field]) {
        for field in fields {
            match object.get_mut(field.name).filter(|value| !value.is_blank()) {
                Some(value) => self.at(field.name, |validator| validator.value(value, &field.rule)),
                None if field.required => {
                    self.at(field.name, |validator| validator.error("is required."));
                }
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
                self.text(value, MAX_URL);
                if value.as_str().is_some_and(|text| !formats::is_url(text)) {
                    self.error("must be a valid URL.");
                }
            }
            Rule::DateTime => {
                let is_valid = value.as_str().is_some_and(formats::is_date_time);
                self.require(is_valid, "must be a valid date.");
            }
            Rule::Integer(first, last) => match integer(value) {
                None => self.error("must be an integer."),
                Some(number) if !(*first..=*last).contains(&number) => {
                    self.error(format!("must be between {first} and {last}."));
                }
                Some(_) => {}
            },
            Rule::Number => self.require(matches!(value, Json::Number(_)), "must be a number."),
            Rule::Flag => self.require(matches!(value, Json::Bool(_)), "must be true or false."),
            Rule::Terms => match value {
                Json::Bool(_) | Json::Number(_) => {}
                _ => self.text(value, MAX_STRING),
            },
            Rule::Id => match value {
                Json::String(_) => self.text(value, MAX_STRING),
                _ if integer(value).is_some() => {}
                _ => self.error("must be a string."),
            },
            Rule::OneOf(values) => {
                if !value.as_str().is_some_and(|text| values.contains(&text)) {
                    self.invalid_value();
                }
            }
            Rule::Currency => {
                let is_valid = value.as_str().is_some_and(formats::is_currency_code);
                self.require(is_valid, "must be an ISO 4217 code, such as AUD.");
            }
            Rule::List(rule) => self.list(value, rule),
            Rule::Object(fields) => match value {
                Json::Object(object) => self.object(object, fields),
                // PHP encodes an object without members as `[]`.
                Json::List(items) if items.is_empty() => {
                    self.object(&mut Object::default(), fields);
                }
                _ => self.error("must be an object."),
            },
            Rule::Comms => match value {
                Json::Object(object) => self.comms(object),
                Json::List(items) if items.is_empty() => {}
                _ => self.error("must be an object."),
            },
        }
    }

    fn list(&mut self, value: &mut Json, rule: &Rule) {
        let Json::List(items) = value else {
            return self.error("must be an array.");
        };
        for (index, item) in items.iter_mut().enumerate() {
            if self.count >= MAX_ERRORS {
                return;
            }
            self.at(&index.to_string(), |validator| match item {
                Json::Null => validator.error("is required."),
                _ => validator.value(item, rule),
            });
        }
    }

    fn comms(&mut self, comms: &mut Object) {
        for (name, value) in &mut comms.0 {
            if !self.policy.recognizes(name) || value.is_blank() {
                continue;
            }
            self.at(name, |validator| validator.value(value, comms::rule(name)));
        }
    }

    /// Replaces an e-mail address or a phone number with its normal form.
    fn address(&mut self, value: &mut Json, normalize: fn(&str) -> Option<String>, problem: &str) {
        match value {
            Json::String(text) => match normalize(text) {
                Some(normalized) => *text = normalized,
                None => self.error(problem),
            },
            _ => self.error("must be a string."),
        }
    }

    fn text(&mut self, value: &Json, limit: usize) {
        match value.as_str() {
            None => self.error("must be a string."),
            Some(text) if text.contains('\0') => self.error("must be text."),
            Some(text) if text.chars().count() > limit => {
                self.error(format!("must not be greater than {limit} characters."));
            }
            Some(_) => {}
        }
    }

    fn require(&mut self, is_valid: bool, problem: &str) {
        if !is_valid {
            self.error(problem);
        }
    }

    /// Validates a member of the current value. Errors name it with the path.
    fn at(&mut self, segment: &str, validate: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(segment);
        validate(self);
        self.path.truncate(length);
    }

    fn error(&mut self, problem: impl AsRef<str>) {
        let message = format!("The {} field {}", self.field_name(), problem.as_ref());
        self.add(message);
    }

    fn invalid_value(&mut self) {
        let message = format!("The selected {} is invalid.", self.field_name());
        self.add(message);
    }

    fn add(&mut self, message: String) {
        if self.count < MAX_ERRORS {
            self.errors.add(self.path.as_str(), message);
        }
        self.count += 1;
    }

    /// The name of the field in messages, in the style of the tenant's framework:
    /// `attributes.comms.email promo`.
    fn field_name(&self) -> String {
        self.path.replace('_', " ")
    }
}

/// An integer literal, such as `12`; `12.0` and `"12"` are not integers.
fn integer(value: &Json) -> Option<i64> {
    match value {
        Json::Number(number) => number.get().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
