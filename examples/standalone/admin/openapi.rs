//! Serves the OpenAPI description, with the configured mount as its server URL.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response};
use omneo_id::headers::WireProtocol;
use omneo_id::{Body, Rejection};
use serde_json::{Value, json};

const PATH: &str = "/openapi.json";

/// The OpenAPI description of this server.
pub(crate) struct OpenApi(Bytes);

impl OpenApi {
    pub(crate) fn new(mount: &str) -> Self {
        let text = include_str!("openapi.json");
        let mount = mount.trim_end_matches('/');
        let url = if mount.is_empty() { "/" } else { mount };
        let located = serde_json::from_str::<Value>(text).map(|mut description| {
            if let Some(members) = description.as_object_mut() {
                members.insert("servers".to_owned(), json!([{ "url": url }]));
            }
            description.to_string()
        });
        Self(located.map_or_else(|_| Bytes::from_static(text.as_bytes()), Bytes::from))
    }

    /// Whether a request is for the description.
    pub(crate) fn matches<B>(request: &Request<B>) -> bool {
        request.uri().path() == PATH
    }

    pub(crate) fn respond<B>(&self, request: &Request<B>) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let rejection = Rejection::method_not_allowed("GET, HEAD");
            return rejection.into_response(WireProtocol::Http).map(Body::new);
        }
        let mut response = Response::new(Body::from(self.0.clone()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}
