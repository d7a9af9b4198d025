//! Whether the content of a `POST` turns it into another method.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::Full;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::BoxError;
use crate::headers::{is_form, is_json, is_unencoded};
use crate::path::form_overrides_method;
use crate::read::{ReadTimeout, Unread};
use crate::rejection::{Rejection, RejectionKind};

/// The most that is read, in bytes.
const LIMIT: usize = 64 * 1024;

/// As what the tenant reads content.
#[derive(Clone, Copy, Debug)]
enum Media {
    Json,
    Form,
}

/// Reads the content of a request, and gives it back if it keeps to the method.
///
/// # Errors
/// If it cannot be read, or names a method itself.
pub(super) async fn inspect<B>(
    request: Request<B>,
    timeout: ReadTimeout,
) -> Result<Request<Full<Bytes>>, Rejection>
where
    B: http_body::Body<Error: Into<BoxError>>,
{
    let (parts, body) = request.into_parts();
    let media = media(&parts.headers)?;
    let content = timeout.collect(body, LIMIT).await;
    let content = content.map_err(Unread::blame_client)?;
    check(media, &content)?;
    Ok(Request::from_parts(parts, Full::new(content)))
}

/// What is neither JSON nor a form is refused, as nobody knows how the tenant reads it.
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

fn check(media: Media, content: &[u8]) -> Result<(), Rejection> {
    let overrides = match media {
        _ if content.is_empty() => false,
        Media::Form => form_overrides_method(content),
        Media::Json => json_overrides_method(content)
            .map_err(|error| Rejection::new(RejectionKind::MalformedBody).because(error))?,
    };
    if overrides {
        let words = "The request body holds a field that is not allowed here: _method.";
        return Err(Rejection::new(RejectionKind::MalformedBody).with_message(words));
    }
    Ok(())
}

/// Whether an object has a member `_method`, once or more often. PHP takes JSON names as they are.
fn json_overrides_method(json: &[u8]) -> Result<bool, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(json);
    let found = json.deserialize_any(TopLevel)?;
    json.end()?;
    Ok(found)
}

struct TopLevel;

impl<'de> Visitor<'de> for TopLevel {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some((name, IgnoredAny)) = map.next_entry::<String, _>()? {
            found |= name == "_method";
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        while let Some(IgnoredAny) = seq.next_element()? {}
        Ok(false)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_in_json_is_found_at_the_top() {
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
