//! Rejects content with a field, or with another method, that the access policy denies.

use std::collections::HashMap;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::Full;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::rewrite::field_rejection;
use crate::error::BoxError;
use crate::headers::{is_form, is_json, is_unencoded};
use crate::path::{FieldLimit, Permission, form_overrides_method};
use crate::read::{CollectError, ReadTimeout};
use crate::rejection::{Rejection, RejectionKind};

/// The most content that is read, in bytes. A sign-up has the same limit.
const MAX_BODY_LEN: usize = 64 * 1024;

/// How the tenant parses content.
#[derive(Clone, Copy, Debug)]
enum Media {
    Json,
    Form,
}

/// Reads the content of a request, and checks that the permission covers it.
///
/// # Errors
/// If the content cannot be read or parsed, names another method, or has a field that is not
/// allowed.
pub(super) async fn read_body<B>(
    request: Request<B>,
    timeout: ReadTimeout,
    permission: Permission,
) -> Result<Request<Full<Bytes>>, Rejection>
where
    B: http_body::Body<Error: Into<BoxError>>,
{
    let (parts, body) = request.into_parts();
    let media = media(&parts.headers)?;
    let content = timeout.collect(body, MAX_BODY_LEN).await;
    let content = content.map_err(CollectError::into_request_rejection)?;
    if !content.is_empty() {
        if permission.keeps_method {
            check_method(media, &content)?;
        }
        if let Some(fields) = &permission.fields {
            check_fields(media, &content, fields)?;
        }
    }
    Ok(Request::from_parts(parts, Full::new(content)))
}

/// Rejects other media types than JSON and forms, as the tenant's reading of them is unknown.
fn media(headers: &HeaderMap) -> Result<Media, Rejection> {
    if !is_unencoded(headers) {
        return Err(RejectionKind::UnsupportedMediaType.into());
    }
    if is_json(headers) {
        Ok(Media::Json)
    } else if is_form(headers) {
        Ok(Media::Form)
    } else {
        Err(RejectionKind::UnsupportedMediaType.into())
    }
}

fn check_method(media: Media, content: &[u8]) -> Result<(), Rejection> {
    let overrides = match media {
        Media::Form => form_overrides_method(content),
        Media::Json => json_overrides_method(content).map_err(malformed)?,
    };
    if overrides {
        let message = "The request body holds a field that is not allowed here: _method.";
        return Err(Rejection::new(RejectionKind::MalformedBody).with_message(message));
    }
    Ok(())
}

fn check_fields(media: Media, content: &[u8], fields: &FieldLimit) -> Result<(), Rejection> {
    let refused = match media {
        Media::Form => fields.refused_in_form(content),
        Media::Json => fields.refused_in_json(content).map_err(malformed)?,
    };
    refused.map_or(Ok(()), |name| Err(field_rejection(&name)))
}

fn malformed(error: serde_json::Error) -> Rejection {
    Rejection::new(RejectionKind::MalformedBody).because(error)
}

/// Whether an object has at least one member `_method`. PHP does not normalize names in JSON.
fn json_overrides_method(json: &[u8]) -> Result<bool, serde_json::Error> {
    match json.trim_ascii_start().first() {
        Some(b'{') => {
            let members: HashMap<String, IgnoredAny> = serde_json::from_slice(json)?;
            Ok(members.contains_key("_method"))
        }
        // Without a limit of its depth, as below an object.
        Some(b'[') => serde_json::from_slice(json).map(|IgnoredAny| false),
        _ => serde_json::from_slice(json).map(|_: Value| false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_in_json_is_found_at_the_top_level_only() {
        for json in [
            r#"{"_method":"DELETE"}"#,
            r#"{"a":[{"b":1}],"_method":null,"c":2}"#,
            r#"{"\u005fmethod":"DELETE"}"#,
            r#" {"_method":1,"_method":2} "#,
        ] {
            assert!(json_overrides_method(json.as_bytes()).unwrap(), "{json}");
        }
        for json in [
            "{}",
            "[]",
            "null",
            "true",
            "7",
            "-7",
            "1.5",
            r#""_method""#,
            r#"["_method","DELETE"]"#,
            r#"{"a":{"_method":"DELETE"},"_Method":"DELETE","method":"DELETE"}"#,
        ] {
            assert!(!json_overrides_method(json.as_bytes()).unwrap(), "{json}");
        }
        for json in ["{", "{} x", "\u{feff}{}", r#"{"_method""#, r#"{"a":1,}"#] {
            assert!(json_overrides_method(json.as_bytes()).is_err(), "{json}");
        }
    }
}
