//! A page to see what Omneo ID does. It stands in front of the embedded sandbox, and of nothing
//! else: who asks it for a token gets one.

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
use omneo_id::{
    ApiToken, Body, Keyring, ProfileId, Rejection, RejectionKind, Subject, TokenIssuer,
};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;
use tower::{Service, ServiceExt};

use crate::config::Config;

const PAGE: &str = "/";
const SIGN_IN: &str = "/demo/sign-in";
const MAX_BODY: usize = 4 * 1024;
/// How long a body may take to arrive, in total: as long as one that Omneo ID collects.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long ago the tokens that the page calls expired were signed: beyond every life and leeway.
const LONG_AGO: Duration = Duration::from_secs(48 * 60 * 60);

/// Whom the page offers to sign in as: id, name, and what is worth seeing.
const CUSTOMERS: [(&str, &str, &str); 6] = [
    (Sandbox::ADA_ID, "Ada Lovelace", "Twenty-three purchases"),
    (Sandbox::GRACE_ID, "Grace Hopper", "Glad of any news"),
    (Sandbox::ALAN_ID, "Alan Turing", "E-mail only, has no phone"),
    (Sandbox::GRETA_ID, "Greta Still", "Wants to be left alone"),
    (Sandbox::ZOE_ID, "Zoë Ångström", "Born on 29 February"),
    (Sandbox::KIM_ID, "Kim Park", "Has a plus in the address"),
];

/// The page, and the shop's server that it needs: the one who holds the API token and mints.
pub(crate) struct Storefront<S> {
    id: S,
    mint: String,
    api_token: ApiToken,
    expired: TokenIssuer,
    page: String,
}

/// What the page asks its server for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    /// Nobody, for a visitor.
    profile: Option<String>,
    /// A token of the day before yesterday.
    #[serde(default)]
    expired: bool,
}

impl<S> Storefront<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone,
{
    /// None, unless the tenant is the embedded sandbox.
    pub(crate) fn new(id: &S, config: &Config) -> Option<Self> {
        config.sandbox.as_ref()?;
        let mount = config.mount.trim_end_matches('/');
        let keyring = Keyring::new(config.signing_key.clone());
        Some(Self {
            id: id.clone(),
            mint: format!("{mount}/auth/token"),
            api_token: config.tenant.api_token().clone(),
            expired: TokenIssuer::new(keyring).with_clock(Past),
            page: page(mount),
        })
    }

    /// Whether this is for the page or its server.
    pub(crate) fn is_asked<B>(request: &Request<B>) -> bool {
        matches!(request.uri().path(), PAGE | SIGN_IN)
    }

    pub(crate) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let answer = match (request.uri().path(), request.method()) {
            (PAGE, &Method::GET | &Method::HEAD) => Ok(self.show()),
            (PAGE, _) => Err(Rejection::method_not_allowed("GET, HEAD")),
            (_, &Method::POST) => self.sign_in(request).await,
            _ => Err(Rejection::method_not_allowed("POST")),
        };
        answer
            .unwrap_or_else(|rejection| rejection.into_response(WireProtocol::Http).map(Body::new))
    }

    /// The page, with a nonce that nobody can have known.
    fn show(&self) -> Response<Body> {
        let mut nonce = [0; 16];
        if getrandom::fill(&mut nonce).is_err() {
            return broken();
        }
        let nonce = URL_SAFE_NO_PAD.encode(nonce);
        let policy = format!(
            "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
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

    /// What a shop's server does once it knows who is there. This one takes anybody's word for it.
    async fn sign_in(&self, request: Request<Body>) -> Result<Response<Body>, Rejection> {
        let asked = read(request).await?;
        let profile: Option<ProfileId> = match asked.profile.as_deref().map(str::parse) {
            None => None,
            Some(Ok(profile)) => Some(profile),
            Some(Err(error)) => return Err(unfit().because(error)),
        };
        if asked.expired {
            return Ok(self.issue_expired(profile));
        }
        let mut request = Request::new(Body::from(Bytes::from(match &profile {
            Some(profile) => json!({ "id": profile.as_str() }).to_string(),
            None => "{}".to_owned(),
        })));
        *request.method_mut() = Method::POST;
        let uri = self.mint.parse();
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
            return broken();
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

/// A page of another origin cannot send JSON without being asked about it first, so this also keeps
/// those out that CORS does not let in.
async fn read(request: Request<Body>) -> Result<SignIn, Rejection> {
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
    serde_json::from_slice(&body.to_bytes()).map_err(|error| unfit().because(error))
}

fn unfit() -> Rejection {
    let mut errors = FieldErrors::default();
    errors.add("profile", "The profile must be a profile's id, or null.");
    Rejection::invalid_fields(errors)
}

/// No randomness, or no key: it has worked at the start.
fn broken() -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::new()));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

struct Past;

impl Clock for Past {
    fn now(&self) -> u64 {
        SystemClock.now().saturating_sub(LONG_AGO.as_secs())
    }
}

/// One document without anything to fetch. Its nonce is left open.
fn page(mount: &str) -> String {
    let customers =
        CUSTOMERS.map(|(id, name, note)| json!({ "id": id, "name": name, "note": note }));
    let settings = json!({
        "mount": mount,
        "signIn": SIGN_IN,
        "customers": customers,
        "known": Sandbox::ADA_EMAIL,
        "wishlist": Sandbox::WISHLIST,
    });
    // So that no text in it can end the element that it stands in.
    let settings = settings.to_string().replace('<', "\\u003c");
    include_str!("storefront/page.html")
        .replace("{{style}}", include_str!("storefront/style.css"))
        .replace("{{script}}", include_str!("storefront/script.js"))
        .replace("{{settings}}", &settings)
}
