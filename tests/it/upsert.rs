//! The upsert layer alone, in front of scripted tenants.

mod availability;
mod blank_consent;
mod calls;
mod concealed;
#[cfg(feature = "client")]
mod concurrent;
mod conflicts;
#[cfg(feature = "sandbox")]
mod contract;
mod corpus;
mod fields;
#[cfg(feature = "client")]
mod latency;
#[cfg(feature = "tracing")]
mod logs;
mod names;
mod outcomes;
#[cfg(feature = "sandbox")]
mod races;
mod readiness;
mod request_body;
mod responses;
#[cfg(feature = "sandbox")]
mod sandbox;
mod spellings;
mod tenant_failures;
mod tenant_requests;
mod tenant_responses;
#[cfg(all(feature = "sandbox", feature = "client"))]
mod uniform_latency;

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Either, Full};
use omneo_id::error::BoxError;
use omneo_id::tenant::AllowForward;
use omneo_id::upsert::{CommsPolicy, CommsUpsert, CommsUpsertLayer, TrustedCaller, UpsertOutcome};
use omneo_id::{Body, Rejection, RejectionKind, Subject};
use tower::{Layer, Service, ServiceExt, service_fn};

const ADA: &str =
    r#"{"data":[{"id":"ada-1","email":"Ada@Example.com","mobile_phone":"+61412345678"}]}"#;
const NO_PROFILES: &str = r#"{"data":[]}"#;
const SUCCESS: &str = r#"{"data":{"success":true}}"#;

/// A request that the tenant has received.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: HeaderMap,
    body: String,
    permitted: bool,
}

/// A request line and its response.
type Expected = (String, Response<Full<Bytes>>);

/// A scripted tenant: expects a sequence of requests, and sends a prepared response to each.
#[derive(Clone)]
struct Script {
    responses: Arc<Mutex<Vec<Expected>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

type Sent = Request<Either<Body, Full<Bytes>>>;

fn respond(status: u16, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

impl Script {
    /// `expected` lists the request lines with their responses.
    fn new<const N: usize>(expected: [(&str, Response<Full<Bytes>>); N]) -> Self {
        crate::support::logs::watch();
        let responses = expected.map(|(line, response)| (line.to_owned(), response));
        Self {
            responses: Arc::new(Mutex::new(responses.into_iter().rev().collect())),
            seen: Arc::default(),
        }
    }

    async fn play(self, request: Sent) -> Result<Response<Full<Bytes>>, Infallible> {
        let (parts, body) = request.into_parts();
        let body = own_body(body).await;
        let line = format!("{} {}", parts.method, parts.uri);
        self.seen.lock().unwrap().push(Seen {
            line: line.clone(),
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
            permitted: parts.extensions.get::<AllowForward>().is_some(),
        });
        let Some((expected, response)) = self.responses.lock().unwrap().pop() else {
            panic!("unexpected request: {line}");
        };
        assert_eq!(line, expected);
        Ok(response)
    }

    async fn send(&self, policy: CommsPolicy, request: Request<Body>) -> Response<Bytes> {
        let script = self.clone();
        let tenant = service_fn(move |request: Sent| script.clone().play(request));
        let service = CommsUpsertLayer::new(policy).layer(tenant);
        let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
    }

    /// Sends a sign-up, and asserts that every expected request was received.
    async fn sign_up(&self, policy: CommsPolicy, payload: &str) -> Response<Bytes> {
        let response = self.send(policy, post(payload)).await;
        assert!(
            self.responses.lock().unwrap().is_empty(),
            "every expected request was received"
        );
        response
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn bodies(&self) -> Vec<String> {
        self.seen()
            .into_iter()
            .map(|seen| seen.body)
            .filter(|body| !body.is_empty())
            .collect()
    }
}

/// The body of a request that the layer itself has built.
async fn own_body(body: Either<Body, Full<Bytes>>) -> Bytes {
    match body {
        Either::Right(body) => body.collect().await.unwrap().to_bytes(),
        Either::Left(_) => panic!("the client's body was forwarded"),
    }
}

fn body(text: &str) -> Body {
    Bytes::from(text.to_owned()).into()
}

fn post(payload: &str) -> Request<Body> {
    let mut request = Request::post("/profiles")
        .header("content-type", "application/json")
        .body(body(payload))
        .unwrap();
    request.extensions_mut().insert(Subject::Anonymous);
    request
}

fn rejection_kind(response: &Response<Bytes>) -> RejectionKind {
    let rejection = response.extensions().get::<Rejection>();
    rejection.unwrap_or_else(|| panic!("{response:?}")).kind()
}

const BY_EMAIL: &str = "GET /profiles?filter%5Bemail%5D=ada%40example.com";
const BY_PHONE: &str = "GET /profiles?filter%5Bmobile_phone%5D=%2B61412345678";
const UPDATE: &str = "PUT /profiles/ada-1/attributes/comms";
const CREATE: &str = "POST /profiles";
const OPT_OUT: &str = concat!(
    r#"{"email":" ADA@example.com","first_name":"Eve","#,
    r#""attributes":{"comms":{"email_optout":true}}}"#
);
const TAKEN: &str = r#"{"message":"x","errors":{"email":["The email has already been taken."]}}"#;
