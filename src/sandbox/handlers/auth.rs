//! Authentication and scopes of a call, and `GET /auth/verify`.

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use crate::headers::single_value;
use crate::sandbox::call::Call;
use crate::sandbox::response::{Outcome, SandboxResponse};
use crate::sandbox::seed::names;
use crate::sandbox::store::Store;

/// `GET /auth/verify`: the token has been checked before.
pub(crate) fn verify(_: &mut Store, _: &Call) -> Outcome {
    Ok(SandboxResponse::bare(
        json!({ "status": 200, "message": "OK" }),
    ))
}

/// The scope of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Everything,
    Reading,
    Locations,
}

/// Checks the token of a call, then its scope.
///
/// # Errors
/// 400 for several `Authorization` headers, 401 without a valid token, 403 outside its scope.
pub(crate) fn authorize(
    headers: &HeaderMap,
    api_token: &str,
    call: &Call,
) -> Result<(), SandboxResponse> {
    let Ok(credential) = single_value(headers, AUTHORIZATION) else {
        return Err(SandboxResponse::front(StatusCode::BAD_REQUEST));
    };
    let value = credential
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let token = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => return Err(SandboxResponse::unauthenticated()),
    };
    let scope = match token {
        token if token == api_token => Scope::Everything,
        names::SECOND_API_TOKEN => Scope::Everything,
        names::READ_ONLY_API_TOKEN => Scope::Reading,
        names::LOCATIONS_API_TOKEN => Scope::Locations,
        _ => return Err(SandboxResponse::unauthenticated()),
    };
    if allows(scope, call) {
        Ok(())
    } else {
        Err(SandboxResponse::forbidden())
    }
}

fn allows(scope: Scope, call: &Call) -> bool {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    // A `POST` that only reads.
    let searches = matches!(
        segments.as_slice(),
        ["profiles", "search-id" | "availability"]
    );
    let reads = searches || matches!(call.method, Method::GET | Method::HEAD | Method::OPTIONS);
    match scope {
        Scope::Everything => true,
        Scope::Reading => reads,
        Scope::Locations => reads && matches!(segments.first(), Some(&("auth" | "locations"))),
    }
}
