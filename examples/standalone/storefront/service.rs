//! The demonstration page and the endpoints of its shop. Only for the embedded sandbox: they mint
//! tokens, and end sessions, for every caller.

use std::convert::Infallible;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use omneo_id::clock::{Clock, SystemClock};
use omneo_id::headers::{WireProtocol, is_json};
use omneo_id::rejection::FieldErrors;
use omneo_id::sandbox::Sandbox;
use omneo_id::{ApiToken, Body, ProfileId, Rejection, RejectionKind, Subject, TokenIssuer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::{Service, ServiceExt};

use crate::config::TenantConfig;

const PAGE: &str = "/";
const SIGN_IN: &str = "/demo/sign-in";
const END_SESSIONS: &str = "/demo/end-sessions";
/// Limit for a request body, which is a JSON object of about 80 bytes.
const MAX_BODY: usize = 4 * 1024;
/// Timeout for a complete request body, as in Omneo ID.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Age of the expired tokens: more than the longest lifetime (24 h) and leeway.
const EXPIRED_AGE: Duration = Duration::from_secs(48 * 60 * 60);

/// The customers on the page: id, name, and a note.
const CUSTOMERS: [(&str, &str, &str); 6] = [
    (Sandbox::ADA_ID, "Ada Lovelace", "23 purchases"),
    (Sandbox::GRACE_ID, "Grace Hopper", "Agreed to all news"),
    (Sandbox::ALAN_ID, "Alan Turing", "E-mail only, no phone"),
    (Sandbox::GRETA_ID, "Greta Still", "Opted out of all news"),
    (Sandbox::ZOE_ID, "Zoë Ångström", "Born on 29 February"),
    (
        Sandbox::KIM_ID,
        "Kim Park",
        "Plus sign in the e-mail address",
    ),
];

/// Serves the page and, in the role of the shop's server, calls Omneo ID with the API token.
pub(crate) struct Storefront<S> {
    id: S,
    mint: String,
    revoke: String,
    api_token: ApiToken,
    expired: TokenIssuer,
    page: String,
}

/// The body of a sign-in request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    /// `None` for an anonymous token.
    profile: Option<String>,
    /// Whether to issue an expired token.
    #[serde(default)]
    expired: bool,
}

/// The body of a request to end all sessions of a customer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndSessions {
    profile: String,
}

impl<S> Storefront<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone,
{
    /// Returns `None` unless the tenant is the embedded sandbox.
    pub(crate) fn new(id: &S, tenant: &TenantConfig, issuer: &TokenIssuer) -> Option<Self> {
        if tenant.upstream.is_some() {
            return None;
        }
        let mount = tenant.mount.trim_end_matches('/');
        let keyring = issuer.keyring().clone();
        Some(Self {
            id: id.clone(),
            mint: format!("{mount}/auth/token"),
            revoke: format!("{mount}/auth/revoke"),
            api_token: ApiToken::new(tenant.api_token.expose()).ok()?,
            expired: TokenIssuer::new(keyring).with_clock(PastClock),
            page: render(mount, tenant.refresh.is_some()),
        })
    }

    /// Whether a request is for the page or an endpoint of its shop.
    pub(crate) fn matches<B>(request: &Request<B>) -> bool {
        matches!(request.uri().path(), PAGE | SIGN_IN | END_SESSIONS)
    }

    pub(crate) async fn respond(&self, request: Request<Body>) -> Response<Body> {
        let response = match (request.uri().path(), request.method()) {
            (PAGE, &Method::GET | &Method::HEAD) => Ok(self.page()),
            (PAGE, _) => Err(Rejection::method_not_allowed("GET, HEAD")),
            (SIGN_IN, &Method::POST) => self.sign_in(request).await,
            (_, &Method::POST) => self.end_sessions(request).await,
            _ => Err(Rejection::method_not_allowed("POST")),
        };
        response
            .unwrap_or_else(|rejection| rejection.into_response(WireProtocol::Http).map(Body::new))
    }

    /// The page, with a fresh nonce in its Content-Security-Policy.
    fn page(&self) -> Response<Body> {
        let mut nonce = [0; 16];
        if getrandom::fill(&mut nonce).is_err() {
            return internal_error();
        }
        let nonce = URL_SAFE_NO_PAD.encode(nonce);
        let policy = format!(
            "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
             img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'"
        );
        let page = self.page.replace("{{nonce}}", &nonce);
        let mut response = Response::new(Body::from(Bytes::from(page)));
        let headers = response.headers_mut();
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        for (name, value) in [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CACHE_CONTROL, "no-store"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    /// Mints a token as a shop's server does after its own sign-in, which this one omits.
    async fn sign_in(&self, request: Request<Body>) -> Result<Response<Body>, Rejection> {
        let sign_in: SignIn = read(request).await?;
        let profile = sign_in.profile.as_deref().map(parse).transpose()?;
        if sign_in.expired {
            return Ok(self.issue_expired(profile));
        }
        let body = match &profile {
            Some(profile) => json!({ "id": profile.as_str() }),
            None => json!({}),
        };
        self.call(&self.mint, body).await
    }

    /// Ends all sessions of a customer, as a shop's server does for its staff.
    async fn end_sessions(&self, request: Request<Body>) -> Result<Response<Body>, Rejection> {
        let end: EndSessions = read(request).await?;
        let profile = parse(&end.profile)?;
        let body = json!({ "id": profile.as_str() });
        self.call(&self.revoke, body).await
    }

    /// Calls Omneo ID with the API token.
    async fn call(&self, path: &str, body: Value) -> Result<Response<Body>, Rejection> {
        let body = Bytes::from(body.to_string());
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = Method::POST;
        let uri = path.parse();
        *request.uri_mut() = uri.map_err(|_| Rejection::new(RejectionKind::NotFound))?;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.api_token.to_header());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let Ok(response) = self.id.clone().oneshot(request).await;
        Ok(response)
    }

    fn issue_expired(&self, profile: Option<ProfileId>) -> Response<Body> {
        let subject = profile.map_or(Subject::Anonymous, Subject::Profile);
        let Ok(issued) = self.expired.issue(&subject) else {
            return internal_error();
        };
        let data = json!({ "token": issued.token(), "exp": issued.expires_at() });
        let body = json!({ "data": data }).to_string();
        let mut response = Response::new(Body::from(Bytes::from(body)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// Reads the body, which must be JSON. This also rejects cross-origin pages that CORS does not
/// allow: a browser sends JSON to another origin only after a preflight.
async fn read<T: DeserializeOwned>(request: Request<Body>) -> Result<T, Rejection> {
    if !is_json(request.headers()) {
        return Err(RejectionKind::UnsupportedMediaType.into());
    }
    let body = Limited::new(request.into_body(), MAX_BODY).collect();
    let Ok(body) = timeout(READ_TIMEOUT, body).await else {
        return Err(RejectionKind::RequestTimeout.into());
    };
    let body = body.map_err(|error| {
        Rejection::new(if error.is::<LengthLimitError>() {
            RejectionKind::PayloadTooLarge
        } else {
            RejectionKind::BodyAborted
        })
    })?;
    serde_json::from_slice(&body.to_bytes()).map_err(|error| invalid_body().because(error))
}

fn parse(profile: &str) -> Result<ProfileId, Rejection> {
    let profile = profile.parse();
    profile.map_err(|error| invalid_body().because(error))
}

fn invalid_body() -> Rejection {
    let mut errors = FieldErrors::default();
    errors.add("profile", "The profile must be a profile's id, or null.");
    Rejection::invalid_fields(errors)
}

/// A failure of the random number generator or of the signing key.
fn internal_error() -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::new()));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// A clock that is [`EXPIRED_AGE`] behind.
struct PastClock;

impl Clock for PastClock {
    fn now(&self) -> u64 {
        SystemClock.now().saturating_sub(EXPIRED_AGE.as_secs())
    }
}

/// The page as one document without subresources, with a placeholder for the nonce.
fn render(mount: &str, refreshes: bool) -> String {
    let customers =
        CUSTOMERS.map(|(id, name, note)| json!({ "id": id, "name": name, "note": note }));
    let settings = json!({
        "mount": mount,
        "signIn": SIGN_IN,
        "endSessions": END_SESSIONS,
        "refreshes": refreshes,
        "customers": customers,
        "known": Sandbox::ADA_EMAIL,
        "wishlist": Sandbox::WISHLIST,
    });
    // Text in the settings cannot close the `script` element.
    let settings = settings.to_string().replace('<', "\\u003c");
    include_str!("page.html")
        .replace("{{style}}", include_str!("style.css"))
        .replace("{{script}}", include_str!("script.js"))
        .replace("{{settings}}", &settings)
}
