//! A response of the tenant, before it is encoded.

use http::header::{ALLOW, LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

/// The result of a handler. Errors are responses too, and are returned with `?`.
pub(crate) type Outcome = Result<SandboxResponse, SandboxResponse>;

/// A response: status, headers, content.
#[derive(Debug)]
pub(crate) struct SandboxResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    Nothing,
    Json(Value),
    Html(String),
}

impl SandboxResponse {
    pub(crate) fn json(status: StatusCode, value: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content: Content::Json(value),
        }
    }

    /// 200 with a bare value.
    pub(crate) fn bare(value: Value) -> Self {
        Self::json(StatusCode::OK, value)
    }

    /// 200 `{"data": …}`.
    pub(crate) fn data(value: impl Into<Value>) -> Self {
        Self::bare(json!({ "data": value.into() }))
    }

    /// 201 `{"data": …}` with the URL of the new record.
    pub(crate) fn created(value: impl Into<Value>, location: &str) -> Self {
        Self::json(StatusCode::CREATED, json!({ "data": value.into() })).with(LOCATION, location)
    }

    pub(crate) fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            headers: Vec::new(),
            content: Content::Nothing,
        }
    }

    pub(crate) fn message(status: StatusCode, message: &str) -> Self {
        Self::json(status, json!({ "message": message }))
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::message(StatusCode::UNAUTHORIZED, "Unauthenticated.")
    }

    pub(crate) fn forbidden() -> Self {
        Self::message(StatusCode::FORBIDDEN, "Invalid scope(s) provided.")
    }

    /// 404 for a record, with the framework's message.
    pub(crate) fn no_record(model: &str) -> Self {
        let message = format!("No query results for model [Omneo\\{model}].");
        Self::message(StatusCode::NOT_FOUND, &message)
    }

    pub(crate) fn no_route(path: &str) -> Self {
        let message = format!("The route {path} could not be found.");
        Self::message(StatusCode::NOT_FOUND, &message)
    }

    pub(crate) fn wrong_method(method: &str, path: &str, allow: &str) -> Self {
        let message = format!(
            "The {method} method is not supported for route {path}. Supported methods: {allow}."
        );
        Self::message(StatusCode::METHOD_NOT_ALLOWED, &message).with(ALLOW, allow)
    }

    /// The response of the web server in front of the application to a request that it rejects.
    pub(crate) fn front(status: StatusCode) -> Self {
        let page = format!(
            "<html>\r\n<head><title>{status}</title></head>\r\n\
             <body>\r\n<center><h1>{status}</h1></center>\r\n\
             <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        Self {
            status,
            headers: Vec::new(),
            content: Content::Html(page),
        }
    }

    /// The application's response for a bare status.
    pub(crate) fn status(status: StatusCode) -> Self {
        let message = match status {
            StatusCode::UNAUTHORIZED => return Self::unauthenticated(),
            StatusCode::FORBIDDEN => return Self::forbidden(),
            StatusCode::TOO_MANY_REQUESTS => {
                return Self::message(status, "Too Many Attempts.").with(RETRY_AFTER, "60");
            }
            StatusCode::INTERNAL_SERVER_ERROR => "Server Error",
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => return Self::front(status),
            _ => status.canonical_reason().unwrap_or_default(),
        };
        if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Self {
                status,
                headers: Vec::new(),
                content: Content::Nothing,
            };
        }
        Self::message(status, message)
    }

    /// Adds a header, unless the value is invalid.
    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }
}
