//! Encodes a response: JSON as PHP writes it, compression, and the headers of every response.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_TYPE, SERVER, SET_COOKIE, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

use super::body::{End, SandboxBody};
use super::fault::CannedResponse;
use super::response::{Content, SandboxResponse};

/// Shorter bodies are not compressed.
const WORTH_COMPRESSING: usize = 256;

pub(crate) fn response(
    parts: &Parts,
    response: SandboxResponse,
    end: End,
) -> Response<SandboxBody> {
    let (kind, plain) = match response.content {
        Content::Nothing => (None, Bytes::new()),
        Content::Json(value) => (Some("application/json"), json(&value)),
        Content::Html(page) => (Some("text/html"), Bytes::from(page)),
    };
    let mut headers = HeaderMap::new();
    headers.insert(SERVER, HeaderValue::from_static("nginx"));
    headers.insert(
        HeaderName::from_static("x-powered-by"),
        HeaderValue::from_static("PHP/8.3"),
    );
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    headers.insert(
        SET_COOKIE,
        HeaderValue::from_static("omneo_session=sandbox; path=/; httponly; samesite=lax"),
    );
    if let Some(kind) = kind {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    headers.extend(response.headers);
    let mut content = plain;
    if content.len() >= WORTH_COMPRESSING
        && accepts_gzip(&parts.headers)
        && let Ok(compressed) = gzip(&content)
    {
        content = compressed;
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    build(parts, response.status, headers, content, None, end)
}

pub(crate) fn canned_response(parts: &Parts, response: CannedResponse) -> Response<SandboxBody> {
    build(
        parts,
        response.status,
        response.headers,
        response.body,
        response.trailers,
        End::Complete,
    )
}

fn build(
    parts: &Parts,
    status: http::StatusCode,
    mut headers: HeaderMap,
    mut content: Bytes,
    trailers: Option<HeaderMap>,
    end: End,
) -> Response<SandboxBody> {
    if parts.method == Method::HEAD {
        // The length of the body that a GET would get.
        if !content.is_empty() {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(content.len()));
        }
        content = Bytes::new();
    }
    let mut response = Response::new(SandboxBody::new(content, trailers, end));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let offers = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    offers.flat_map(|value| value.split(',')).any(|offer| {
        let (coding, weight) = offer.split_once(';').unwrap_or((offer, "q=1"));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|weight| {
            weight
                .trim()
                .parse::<f32>()
                .is_ok_and(|weight| weight <= 0.0)
        });
        matches!(coding.trim(), "gzip" | "*") && !refused
    })
}

fn gzip(content: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content)?;
    encoder.finish().map(Bytes::from)
}

/// JSON as `json_encode` writes it by default: slashes and non-ASCII characters are escaped.
fn json(value: &Value) -> Bytes {
    let mut out = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut out, PhpFormatter));
    debug_assert!(written.is_ok(), "writing to memory");
    out.into()
}

struct PhpFormatter;

impl Formatter for PhpFormatter {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut units = [0_u16; 2];
        for character in fragment.chars() {
            match character {
                '/' => writer.write_all(b"\\/")?,
                ' '..='~' => write!(writer, "{character}")?,
                _ => {
                    for unit in character.encode_utf16(&mut units) {
                        write!(writer, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}
