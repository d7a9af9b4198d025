//! The question to the tenant, and what its answer means.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde::Serialize;
use serde_json::Value;

use super::request::{MintRequest, PROFILE_ID};
use crate::body::Body;
use crate::headers::{is_html, is_unencoded, retry_after};
use crate::identity::{ProfileId, Subject};
use crate::rejection::{FieldErrors, Rejection, RejectionKind};
use crate::tenant::without_bom;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Whose API token the tenant is asked with, and so whose fault a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// The caller's: the question also finds out whether it is good.
    Callers,
    /// Ours; the caller's is known to be good.
    Own,
}

#[derive(Serialize)]
struct SearchId<'a> {
    r#type: &'a str,
    id: &'a str,
}

/// Of the caller's request, the question to the tenant carries these along: what finds it again in
/// logs and traces.
const CARRIED: [HeaderName; 3] = [
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// Method, target, headers and body of the question.
pub(super) fn question(asked: &MintRequest, caller: &HeaderMap) -> http::Request<Body> {
    let mut question = bare_question(asked);
    for name in CARRIED {
        for value in caller.get_all(&name) {
            question.headers_mut().append(&name, value.clone());
        }
    }
    question
}

fn bare_question(asked: &MintRequest) -> http::Request<Body> {
    let (kind, id) = match asked {
        MintRequest::Anonymous => return verify_question(),
        MintRequest::Profile { id } => (PROFILE_ID, id),
        MintRequest::Identity { handle, id } => (handle.as_str(), id),
    };
    // Two strings always serialise.
    let body = serde_json::to_vec(&SearchId { r#type: kind, id }).unwrap_or_default();
    let mut request = http::Request::new(Body::from(Bytes::from(body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static("/profiles/search-id");
    request.headers_mut().insert(ACCEPT, JSON);
    request.headers_mut().insert(CONTENT_TYPE, JSON);
    request
}

/// Whether the credential is good, and nothing else.
fn verify_question() -> http::Request<Body> {
    let mut request = http::Request::new(Body::empty());
    *request.uri_mut() = Uri::from_static("/auth/verify");
    request.headers_mut().insert(ACCEPT, JSON);
    request
}

/// The rejection for any status but a 2xx.
pub(super) fn check_status(
    asked: &MintRequest,
    credential: Credential,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<(), Rejection> {
    Err(match (status, credential) {
        (status, _) if status.is_success() => return Ok(()),
        (StatusCode::UNAUTHORIZED, Credential::Callers) => RejectionKind::InvalidToken.into(),
        (StatusCode::FORBIDDEN, Credential::Callers) => RejectionKind::Forbidden.into(),
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Credential::Own) => {
            RejectionKind::TenantCredentials.into()
        }
        (StatusCode::NOT_FOUND, _) => missing(asked),
        (StatusCode::UNPROCESSABLE_ENTITY, _) => unprocessable(asked),
        (StatusCode::TOO_MANY_REQUESTS, _) => later(RejectionKind::TooManyRequests, headers),
        (StatusCode::SERVICE_UNAVAILABLE, _) => later(RejectionKind::TenantBusy, headers),
        (StatusCode::GATEWAY_TIMEOUT, _) => RejectionKind::TenantTimeout.into(),
        (status, _) if status.is_server_error() => RejectionKind::TenantFailed.into(),
        _ => RejectionKind::TenantAnswer.into(),
    })
}

/// No such profile; but that the tenant has no `auth/verify` is no matter of the caller's.
fn missing(asked: &MintRequest) -> Rejection {
    match asked {
        MintRequest::Anonymous => RejectionKind::TenantAnswer.into(),
        MintRequest::Profile { .. } | MintRequest::Identity { .. } => {
            RejectionKind::NotFound.into()
        }
    }
}

/// The tenant does not even look: text that is no id of its own kind names no profile, a handle
/// that it does not have is the caller's mistake.
fn unprocessable(asked: &MintRequest) -> Rejection {
    match asked {
        MintRequest::Anonymous => RejectionKind::TenantAnswer.into(),
        MintRequest::Profile { .. } => RejectionKind::NotFound.into(),
        MintRequest::Identity { .. } => {
            let mut errors = FieldErrors::default();
            errors.add("id_handle", "The selected id_handle is invalid.");
            Rejection::invalid_fields(errors)
        }
    }
}

/// With the tenant's `Retry-After`.
fn later(kind: RejectionKind, headers: &HeaderMap) -> Rejection {
    match retry_after(headers) {
        Some(after) => Rejection::new(kind).with_retry_after(after),
        None => kind.into(),
    }
}

/// The subject of the new token, by the body of a 2xx.
pub(super) fn subject(
    asked: &MintRequest,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Subject, Rejection> {
    let expected = match asked {
        MintRequest::Anonymous => return verified(headers, body).map(|()| Subject::Anonymous),
        MintRequest::Profile { id } => Some(id),
        MintRequest::Identity { .. } => None,
    };
    let unusable = || Rejection::new(RejectionKind::TenantAnswer);
    let answer: Value =
        serde_json::from_slice(without_bom(body)).map_err(|error| unusable().because(error))?;
    let data = answer.get("data").ok_or_else(unusable)?;
    if data.is_null() || data.as_array().is_some_and(Vec::is_empty) {
        return Err(missing(asked));
    }
    let id = data.get("id").and_then(Value::as_str).unwrap_or_default();
    let id: ProfileId = id.parse().map_err(|error| unusable().because(error))?;
    // Asked for one profile, the tenant may not answer with another.
    match expected.is_none_or(|expected| expected.eq_ignore_ascii_case(id.as_str())) {
        true => Ok(Subject::Profile(id)),
        false => Err(unusable()),
    }
}

/// Whether a 2xx of `auth/verify` calls the API token good: without content, whatever its media
/// type, as JSON whose `status` is 200 or missing, and as plain text.
///
/// A page is a portal's or a firewall's and says nothing about the token; neither does a body that
/// cannot be read, such as JSON that was cut short.
fn verified(headers: &HeaderMap, body: &[u8]) -> Result<(), Rejection> {
    let unusable = || Rejection::new(RejectionKind::TenantAnswer);
    let content = without_bom(body).trim_ascii();
    if content.is_empty() {
        return Ok(());
    }
    if is_html(headers) || content.starts_with(b"<") || !is_unencoded(headers) {
        return Err(unusable());
    }
    let text = std::str::from_utf8(content).map_err(|error| unusable().because(error))?;
    let status = match serde_json::from_str::<Value>(text) {
        Ok(answer) => answer.get("status").cloned(),
        Err(error) if text.starts_with(['{', '[']) => return Err(unusable().because(error)),
        Err(_) => None,
    };
    match status {
        Some(status) if status != 200 && status != "200" => Err(RejectionKind::InvalidToken.into()),
        _ => Ok(()),
    }
}
