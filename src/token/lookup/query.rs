use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use serde::Serialize;

use crate::body::Body;

/// A look-up of a subject, or a check of an API token, by the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::token) enum Lookup {
    /// Whether the API token of the call is valid. The subject is anonymous.
    ApiToken,
    /// The profile with this id.
    Profile { id: String },
    /// The profile with this identity in another system.
    Identity { handle: String, id: String },
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The tenant's handle for a profile's own id; the others are identity handles.
const PROFILE_ID: &str = "profile_id";

/// The headers of the caller's request that the look-up copies, for correlation in logs and traces.
const FORWARDED_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

impl Lookup {
    /// The look-up of an id of the type that `handle` names.
    pub(in crate::token) fn by_handle(handle: String, id: String) -> Self {
        match handle == PROFILE_ID {
            true => Self::Profile { id },
            false => Self::Identity { handle, id },
        }
    }

    /// The request to the tenant: method, target, headers and body.
    pub(super) fn to_request(&self, caller: &HeaderMap) -> Request<Body> {
        let mut request = match self {
            Self::ApiToken => verify_request(),
            Self::Profile { id } => search_request(PROFILE_ID, id),
            Self::Identity { handle, id } => search_request(handle, id),
        };
        for name in FORWARDED_HEADERS {
            for value in caller.get_all(&name) {
                request.headers_mut().append(&name, value.clone());
            }
        }
        request
    }
}

#[derive(Serialize)]
struct SearchId<'a> {
    r#type: &'a str,
    id: &'a str,
}

/// Finds a profile by an id of this type.
fn search_request(id_type: &str, id: &str) -> Request<Body> {
    // Two strings always serialize.
    let body = serde_json::to_vec(&SearchId {
        r#type: id_type,
        id,
    })
    .unwrap_or_default();
    let mut request = Request::new(Body::from(Bytes::from(body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static("/profiles/search-id");
    request.headers_mut().insert(ACCEPT, JSON);
    request.headers_mut().insert(CONTENT_TYPE, JSON);
    request
}

/// Checks the API token only.
fn verify_request() -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = Uri::from_static("/auth/verify");
    request.headers_mut().insert(ACCEPT, JSON);
    request
}
