use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use tower::Service;

use crate::headers::WireProtocol;
use crate::keys::Keyring;
use crate::rejection::{Rejection, RejectionKind, options};

/// The service of `GET /auth/jwks`: the public keys of a [`Keyring`] as a JWK set, so that other
/// services verify ID tokens themselves.
///
/// It needs no credential. A ring without public keys, such as one with an HMAC secret, is
/// responded to with 404; a secret is never part of the response. A change of the ring has an
/// effect on the next request. The response has a strong `ETag` and may be cached for 5 minutes:
/// add a new verifying key to the ring at least that long before it signs.
///
/// ```
/// use http::Request;
/// use omneo_id::token::JwksEndpoint;
/// use omneo_id::{Keyring, SigningKey};
/// use tower::ServiceExt;
///
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let ring = Keyring::new(SigningKey::hs256("a secret of at least 32 bytes, kept secret")?);
/// let response = JwksEndpoint::new(ring).oneshot(Request::new(())).await.unwrap();
/// assert_eq!(response.status(), 404);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct JwksEndpoint {
    keyring: Keyring,
    /// The document of the newest generation of keys that was requested.
    rendered: Arc<ArcSwapOption<Rendered>>,
}

/// The response for one generation of keys.
struct Rendered {
    generation: u64,
    /// `None` if no key is public.
    document: Option<Document>,
}

#[derive(Clone)]
struct Document {
    json: Bytes,
    etag: HeaderValue,
}

const ALLOWED: &str = "GET, HEAD";
/// RFC 7517 §8.5.2.
const JWK_SET: HeaderValue = HeaderValue::from_static("application/jwk-set+json");
/// Verifiers need a new key before its first token, and must stop accepting a removed one soon.
const CACHEABLE: HeaderValue = HeaderValue::from_static("public, max-age=300");

impl JwksEndpoint {
    /// Publishes the public keys of this ring.
    pub fn new(keyring: Keyring) -> Self {
        Self {
            keyring,
            rendered: Arc::default(),
        }
    }

    /// Whether the ring has a public key. If not, requests are rejected with 404.
    pub fn has_public_keys(&self) -> bool {
        self.rendered().document.is_some()
    }

    /// The response to a request.
    pub(crate) fn respond<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let rejection = match (request.method(), &self.rendered().document) {
            (&Method::GET | &Method::HEAD, Some(document)) => {
                return document.respond(request.method(), request.headers());
            }
            (&Method::OPTIONS, Some(_)) => return options(ALLOWED),
            (_, Some(_)) => Rejection::method_not_allowed(ALLOWED),
            (_, None) => RejectionKind::NotFound.into(),
        };
        rejection.into_response(WireProtocol::from_headers(request.headers()))
    }

    fn rendered(&self) -> Arc<Rendered> {
        let snapshot = self.keyring.snapshot();
        if let Some(rendered) = self.rendered.load_full()
            && rendered.generation == snapshot.generation
        {
            return rendered;
        }
        let rendered = Arc::new(Rendered {
            generation: snapshot.generation,
            document: Document::new(&snapshot.keys.to_jwks()),
        });
        self.rendered.store(Some(rendered.clone()));
        rendered
    }
}

impl Document {
    /// `None` if the set has no keys.
    fn new(jwks: &Value) -> Option<Self> {
        let keys = jwks.get("keys").and_then(Value::as_array)?;
        if keys.is_empty() {
            return None;
        }
        let json = jwks.to_string();
        // A hash without a random key: all processes with the same keys have the same tag.
        let mut hasher = DefaultHasher::new();
        hasher.write(json.as_bytes());
        let etag = format!("\"{:016x}\"", hasher.finish());
        Some(Self {
            json: json.into(),
            etag: HeaderValue::from_str(&etag).ok()?,
        })
    }

    fn respond(&self, method: &Method, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let is_current = self.matches(headers);
        let body = match is_current || method == Method::HEAD {
            true => Bytes::new(),
            false => self.json.clone(),
        };
        let mut response = Response::new(Full::new(body));
        let headers = response.headers_mut();
        // RFC 9110 §15.4.5: a 304 has the header fields that a cache updates, without those of the
        // representation.
        headers.insert(CACHE_CONTROL, CACHEABLE);
        headers.insert(ETAG, self.etag.clone());
        if is_current {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(CONTENT_TYPE, JWK_SET);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(self.json.len()));
        response
    }

    /// RFC 9110 §13.1.2: `If-None-Match` compares weakly, and `*` matches every representation. The
    /// tag contains no comma, so a list can be split at each of them.
    fn matches(&self, headers: &HeaderMap) -> bool {
        let values = headers.get_all(IF_NONE_MATCH).into_iter();
        let mut tags = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
        tags.any(|tag| {
            let tag = tag.trim_ascii();
            tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == self.etag.as_bytes()
        })
    }
}

impl<B> Service<Request<B>> for JwksEndpoint {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.respond(&request)))
    }
}

impl fmt::Debug for JwksEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksEndpoint")
            .field("keyring", &self.keyring)
            .finish_non_exhaustive()
    }
}
