//! A request as the framework parses it for the application.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::{Map, Value};

use super::php;
use super::resources::SubResource;

const DEFAULT_HOST: &str = "api.sandbox.getomneo.com";

/// One call of the API: method, path below the base path, and input.
#[derive(Debug)]
pub(crate) struct Call {
    /// The method that the application handles, after any override.
    pub(crate) method: Method,
    /// The path below the base path, decoded and split.
    pub(crate) segments: Vec<String>,
    /// The whole decoded path, for messages.
    pub(crate) path: String,
    /// The variable parts of the path, as the route names them.
    pub(crate) params: Vec<String>,
    /// The sub-resource of a profile that the path names.
    pub(crate) sub_resource: Option<SubResource>,
    pub(crate) query: Map<String, Value>,
    pub(crate) raw_query: String,
    /// The body, if it is JSON or a form.
    pub(crate) body: Value,
    /// Body and query together, blanks trimmed and empty strings turned to null; the body wins.
    pub(crate) input: Map<String, Value>,
    /// Absolute URL of the path as received.
    pub(crate) url: String,
    /// Absolute URL of the base path.
    pub(crate) root: String,
}

impl Call {
    /// Parses a request; `None` if its path is outside the base path.
    pub(crate) fn read(parts: &Parts, body: &Bytes, base: &str) -> Option<Self> {
        let path = resolve(&php::decode(parts.uri.path()));
        let below = below_base(&path, base)?.trim_matches('/');
        let raw_query = parts.uri.query().unwrap_or_default().to_owned();
        let query = php::parse_query(&raw_query);
        let body = read_body(&parts.headers, body);
        let input = input(&query, &body);
        let origin = origin(parts);
        Some(Self {
            method: effective_method(parts, &query, &body),
            segments: below.split('/').map(str::to_owned).collect(),
            params: Vec::new(),
            sub_resource: None,
            url: format!("{origin}{}", parts.uri.path()),
            root: format!("{origin}{base}"),
            path,
            query,
            raw_query,
            body,
            input,
        })
    }

    /// A variable part of the path; empty if the route does not have it.
    pub(crate) fn param(&self, index: usize) -> &str {
        self.params.get(index).map_or("", String::as_str)
    }

    /// An input as text: strings as they are, numbers in decimal.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        text(self.input.get(name)?)
    }
}

/// A string or a number as text.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The rest of the path below the base path.
pub(crate) fn below_base<'p>(path: &'p str, base: &str) -> Option<&'p str> {
    path.strip_prefix(base)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Resolves dot segments after decoding, as the most permissive servers do: a proxy that relies on
/// the tenant to reject them fails its tests here.
fn resolve(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

fn origin(parts: &Parts) -> String {
    let scheme = parts.uri.scheme_str();
    let from_header = || parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = parts
        .uri
        .authority()
        .map(http::uri::Authority::as_str)
        .or_else(from_header);
    match host {
        Some(host) => format!("{}://{host}", scheme.unwrap_or("http")),
        None => format!("https://{DEFAULT_HOST}"),
    }
}

fn read_body(headers: &HeaderMap, body: &Bytes) -> Value {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|media_type| media_type.to_str().ok())
        .unwrap_or_default();
    let media_type = media_type.to_ascii_lowercase();
    if media_type.contains("/json") || media_type.contains("+json") {
        // Malformed JSON is an empty input to the framework, not an error.
        serde_json::from_slice(body).unwrap_or_default()
    } else if media_type.starts_with("application/x-www-form-urlencoded") {
        Value::Object(php::parse_query(&String::from_utf8_lossy(body)))
    } else {
        Value::Null
    }
}

fn input(query: &Map<String, Value>, body: &Value) -> Map<String, Value> {
    let mut input = query.clone();
    if let Value::Object(fields) = body {
        input.extend(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
    }
    input.values_mut().for_each(normalize);
    input
}

/// Trims strings and turns empty ones into null, as the framework's default middleware does.
fn normalize(value: &mut Value) {
    match value {
        Value::String(text) => {
            let trimmed = text.trim();
            *value = if trimmed.is_empty() {
                Value::Null
            } else {
                Value::String(trimmed.to_owned())
            };
        }
        Value::Array(items) => items.iter_mut().for_each(normalize),
        Value::Object(fields) => fields.values_mut().for_each(normalize),
        _ => {}
    }
}

/// A POST may name another method: in a header, else in the body, else in the query.
fn effective_method(parts: &Parts, query: &Map<String, Value>, body: &Value) -> Method {
    if parts.method != Method::POST {
        return parts.method.clone();
    }
    let overriding = |name: &str| name.replace(['_', '.'], "-") == "x-http-method-override";
    let header = parts
        .headers
        .iter()
        .find(|(name, _)| overriding(name.as_str()));
    let named = match header {
        Some((_, value)) => value.to_str().ok(),
        None => body
            .get("_method")
            .or_else(|| query.get("_method"))
            .and_then(Value::as_str),
    };
    named
        .and_then(|name| Method::from_bytes(name.to_ascii_uppercase().as_bytes()).ok())
        .unwrap_or(Method::POST)
}
