use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::Lookup;
use crate::headers::{is_html, is_unencoded};
use crate::identity::{ProfileId, Subject};
use crate::read::without_bom;
use crate::rejection::{FieldErrors, Rejection, RejectionKind, TenantStatusRules};

/// The rejection of any status other than a 2xx.
pub(super) fn check_status(
    lookup: &Lookup,
    rules: TenantStatusRules,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<(), Rejection> {
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::NOT_FOUND => Err(not_found(lookup)),
        StatusCode::UNPROCESSABLE_ENTITY => Err(unprocessable(lookup)),
        _ => Err(rules
            .rejection(status, headers)
            .unwrap_or_else(|| RejectionKind::TenantAnswer.into())),
    }
}

/// The profile does not exist. A 404 to `auth/verify`, however, is not the caller's fault: the
/// tenant must have that route.
fn not_found(lookup: &Lookup) -> Rejection {
    match lookup {
        Lookup::ApiToken => RejectionKind::TenantAnswer.into(),
        Lookup::Profile { .. } | Lookup::Identity { .. } => RejectionKind::NotFound.into(),
    }
}

/// The tenant rejects the parameters. A malformed profile id matches no profile; an unknown handle
/// is the caller's mistake.
fn unprocessable(lookup: &Lookup) -> Rejection {
    match lookup {
        Lookup::ApiToken => RejectionKind::TenantAnswer.into(),
        Lookup::Profile { .. } => RejectionKind::NotFound.into(),
        Lookup::Identity { .. } => {
            let mut errors = FieldErrors::default();
            errors.add("id_handle", "The selected id_handle is invalid.");
            Rejection::invalid_fields(errors)
        }
    }
}

/// The subject that the tenant has found, from the body of a 2xx.
pub(super) fn subject(
    lookup: &Lookup,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Subject, Rejection> {
    let expected = match lookup {
        Lookup::ApiToken => {
            return check_verify_body(headers, body).map(|()| Subject::Anonymous);
        }
        Lookup::Profile { id } => Some(id),
        Lookup::Identity { .. } => None,
    };
    let unusable = || Rejection::new(RejectionKind::TenantAnswer);
    let json: Value =
        serde_json::from_slice(without_bom(body)).map_err(|error| unusable().because(error))?;
    let data = json.get("data").ok_or_else(unusable)?;
    if data.is_null() || data.as_array().is_some_and(Vec::is_empty) {
        return Err(not_found(lookup));
    }
    let id = data.get("id").and_then(Value::as_str).unwrap_or_default();
    let id: ProfileId = id.parse().map_err(|error| unusable().because(error))?;
    // The response must be about the requested profile.
    match expected.is_none_or(|expected| expected.eq_ignore_ascii_case(id.as_str())) {
        true => Ok(Subject::Profile(id)),
        false => Err(unusable()),
    }
}

/// Checks the body of a 2xx from `auth/verify`. The API token is valid if the body is empty (of any
/// media type), JSON whose `status` is 200 or absent, or plain text.
///
/// An HTML page is that of a captive portal or firewall. Like an unreadable body, such as truncated
/// JSON, it does not confirm the token.
fn check_verify_body(headers: &HeaderMap, body: &[u8]) -> Result<(), Rejection> {
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
        Ok(json) => json.get("status").cloned(),
        Err(error) if text.starts_with(['{', '[']) => return Err(unusable().because(error)),
        Err(_) => None,
    };
    match status {
        Some(status) if status != 200 && status != "200" => Err(RejectionKind::InvalidToken.into()),
        _ => Ok(()),
    }
}
