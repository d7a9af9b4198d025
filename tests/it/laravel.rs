//! A model of a Laravel tenant: the action of a request, and the names of its input.

use omneo_id::sandbox::CapturedRequest;
use serde_json::Value;

use crate::naive::{query_names, query_pairs};

/// The action of a Laravel tenant: the effective method, and the segments below the profile.
pub(crate) fn executed(forwarded: &CapturedRequest) -> (String, Vec<String>) {
    let mut method = forwarded.method.as_str().to_ascii_uppercase();
    if method == "POST" {
        let media = forwarded
            .header("content-type")
            .unwrap_or_default()
            .to_ascii_lowercase();
        let field = |text: &[u8]| {
            let mut pairs = query_pairs(text).into_iter();
            pairs.find_map(|(name, value)| (name == "_method").then_some(value))
        };
        let named = if media.contains("/json") || media.contains("+json") {
            let json: Value = serde_json::from_slice(&forwarded.body).unwrap_or_default();
            json["_method"].as_str().map(str::to_owned)
        } else if media.starts_with("application/x-www-form-urlencoded") {
            field(&forwarded.body)
        } else {
            None
        };
        let named = named.or_else(|| field(forwarded.query().unwrap_or_default().as_bytes()));
        method = named.map_or(method, |named| named.to_ascii_uppercase());
    }
    let path = forwarded
        .path()
        .split('/')
        .skip(5)
        .filter(|segment| !segment.is_empty());
    let decoded = path.map(|segment| {
        let mut bytes = Vec::new();
        let mut rest = segment.as_bytes();
        while let [first, tail @ ..] = rest {
            let code = (*first == b'%').then(|| {
                std::str::from_utf8(tail.get(..2)?)
                    .ok()
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            });
            match code.flatten() {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &tail[2..];
                }
                None => {
                    bytes.push(*first);
                    rest = tail;
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    });
    (method, decoded.collect())
}

/// The names of the input: the field, and the first key or member below it. Content of an unknown
/// type is read in every way.
pub(crate) fn input_names(forwarded: &CapturedRequest) -> Vec<(String, Option<String>)> {
    let media = forwarded.header("content-type").unwrap_or_default();
    let media = media.to_ascii_lowercase();
    let is_json = media.contains("/json") || media.contains("+json");
    let is_form = media.starts_with("application/x-www-form-urlencoded");
    let mut names = query_names(forwarded.query().unwrap_or_default().as_bytes());
    if is_json || !is_form {
        names.extend(json_names(&forwarded.body));
    }
    if is_form || !is_json {
        names.extend(query_names(&forwarded.body));
        names.extend(part_names(&forwarded.body));
    }
    names.retain(|(field, _)| !field.is_empty());
    names
}

/// The names of a JSON object, also behind a byte order mark. The names of an array are numbers.
fn json_names(text: &[u8]) -> Vec<(String, Option<String>)> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let Ok(Value::Object(members)) = serde_json::from_slice(text) else {
        return Vec::new();
    };
    let names = members.into_iter().flat_map(|(field, value)| match value {
        Value::Object(inner) => {
            let inner = inner.into_iter().map(|(name, _)| Some(name));
            inner.map(|name| (field.clone(), name)).collect()
        }
        _ => vec![(field, None)],
    });
    names.collect()
}

/// The names of a `multipart/form-data` body.
fn part_names(text: &[u8]) -> Vec<(String, Option<String>)> {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    let parts = text.split("form-data; name=").skip(1);
    let names = parts.filter_map(|part| part.split(['\r', '\n', ';']).next());
    names
        .map(|name| (name.trim_matches('"').to_owned(), None))
        .collect()
}
