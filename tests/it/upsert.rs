//! The upsert layer alone, in front of scripted tenants.

mod availability;
mod blank_consent;
mod calls;
mod concealed;
#[cfg(feature = "client")]
mod concurrent;
#[cfg(feature = "sandbox")]
mod contract;
mod corpus;
mod fields;
#[cfg(feature = "tracing")]
mod logs;
mod names;
#[cfg(feature = "sandbox")]
mod races;
#[cfg(feature = "sandbox")]
mod sandbox;
mod spellings;
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

// Outcomes.

#[tokio::test]
async fn an_existing_profile_changes_only_in_consent() {
    let script = Script::new([
        (BY_EMAIL, respond(200, ADA)),
        (UPDATE, respond(200, r#"{"data":{}}"#)),
    ]);
    let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Updated));
    assert_eq!(script.bodies(), [r#"{"email_optout":true}"#]);
}

#[tokio::test]
async fn a_new_profile_is_created_with_defaults() {
    let script = Script::new([
        (BY_EMAIL, respond(200, NO_PROFILES)),
        (CREATE, respond(201, r#"{"data":{"id":"ada-1"}}"#)),
    ]);
    let response = script
        .sign_up(
            CommsPolicy::new(),
            r#"{"email":"ADA@example.com","points":1.10}"#,
        )
        .await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Created));
    assert_eq!(
        script.bodies(),
        [concat!(
            r#"{"email":"ada@example.com","points":1.10,"first_name":"unknown","#,
            r#""last_name":"unknown","attributes":{"comms":{"email_promo":true,"#,
            r#""email_optout":false}}}"#
        )]
    );
}

#[tokio::test]
async fn an_existing_profile_without_new_consent_is_unchanged() {
    let script = Script::new([(BY_EMAIL, respond(200, ADA))]);
    let payload = concat!(
        r#"{"email":"ada@example.com","attributes":{"comms":{"profile_id":"eve","#,
        r#""email_bounced":false}}}"#
    );
    let response = script.sign_up(CommsPolicy::new(), payload).await;
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Unchanged));
    let script = Script::new([(BY_EMAIL, respond(200, ADA)), (UPDATE, respond(204, ""))]);
    let policy = CommsPolicy::new().with_defaults_on_update();
    let response = script.sign_up(policy, payload).await;
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Updated));
}

#[tokio::test]
async fn the_phone_is_looked_up_only_if_no_email_matches() {
    let payload = concat!(
        r#"{"email":"ada@example.com","mobile_phone":"+61 412-345-678","#,
        r#""attributes":{"comms":{"sms_promo":true}}}"#
    );
    let script = Script::new([(BY_EMAIL, respond(200, ADA)), (UPDATE, respond(200, "{}"))]);
    script.sign_up(CommsPolicy::new(), payload).await;
    let other =
        r#"{"data":[{"id":"ada-1","email":"other@example.com","mobile_phone":"+61412345678"}]}"#;
    let script = Script::new([
        (BY_EMAIL, respond(200, NO_PROFILES)),
        (BY_PHONE, respond(200, other)),
        (UPDATE, respond(200, "{}")),
    ]);
    let response = script.sign_up(CommsPolicy::new(), payload).await;
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Updated));
}

#[tokio::test]
async fn similar_addresses_belong_to_new_people() {
    let others = concat!(
        r#"{"data":[{"id":"eve-1","email":"xada@example.com"},{"id":"../x","#,
        r#""email":"ada@example.com.au"}]}"#
    );
    let script = Script::new([
        (BY_EMAIL, respond(200, others)),
        (CREATE, respond(200, "{}")),
    ]);
    let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Created));
}

#[tokio::test]
async fn a_profile_on_a_larger_page_is_found_and_pages_are_bounded() {
    let more = r#"{"data":[],"links":{"next":"https://elsewhere.example/profiles?page=2"}}"#;
    let longer = format!("{BY_EMAIL}&page%5Bsize%5D=50&page%5Bnumber%5D=1");
    let script = Script::new([
        (BY_EMAIL, respond(200, more)),
        (&longer, respond(200, ADA)),
        (UPDATE, respond(200, "{}")),
    ]);
    script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    let script = Script::new([
        (BY_EMAIL, respond(200, more)),
        (&longer, respond(200, more)),
        (CREATE, respond(200, "{}")),
    ]);
    script.sign_up(CommsPolicy::new(), OPT_OUT).await;
}

#[tokio::test]
async fn no_further_page_is_read_after_a_match() {
    let more = concat!(
        r#"{"data":[{"id":"ada-1","email":"ada@example.com"}],"#,
        r#""meta":{"current_page":1,"last_page":9}}"#
    );
    let script = Script::new([(BY_EMAIL, respond(200, more)), (UPDATE, respond(200, "{}"))]);
    let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn mass_assignment_does_not_change_an_existing_profile() {
    for payload in [
        r#"{"email":"ada@example.com","id":"eve-1","_method":"DELETE","first_name":"Eve"}"#,
        concat!(
            r#"{"email":"ada@example.com","attributes.comms.email_promo":true,"#,
            r#""attributes[comms][email_promo]":true}"#
        ),
        concat!(
            r#"{"email":"ada@example.com","comms":{"email_promo":true},"#,
            r#""attributes":{"attributes":{"comms":{"email_promo":true}}}}"#
        ),
        concat!(
            r#"{"email":"ada@example.com","__proto__":{"attributes":{}},"#,
            r#""attributes":{"comms":{"__proto__":{"email_promo":true}}}}"#
        ),
        concat!(
            r#"{"email":"ada@example.com","#,
            r#""attributes":{"comms":{"comms.email_promo":true,"email_promo[0]":true,"#,
            r#""email_verification":"verified"}}}"#
        ),
    ] {
        let script = Script::new([(BY_EMAIL, respond(200, ADA))]);
        let response = script.sign_up(CommsPolicy::new(), payload).await;
        assert_eq!(response.status(), 200, "{payload}");
    }
}

// Races.

#[tokio::test]
async fn a_sign_up_that_loses_a_race_updates_the_profile() {
    let phone = r#"{"errors":{"mobile_phone":["The phone number exists"]}}"#;
    let german = r#"{"message":"x","errors":{"email":["Die E-Mail ist bereits vergeben."]}}"#;
    for taken in [TAKEN, phone, german] {
        let script = Script::new([
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (CREATE, respond(422, taken)),
            (BY_EMAIL, respond(200, ADA)),
            (UPDATE, respond(200, "{}")),
        ]);
        let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
        assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Updated));
    }
}

#[tokio::test]
async fn a_profile_deleted_after_the_look_up_is_created_again_once() {
    let script = Script::new([
        (BY_EMAIL, respond(200, ADA)),
        (UPDATE, respond(404, "{}")),
        (BY_EMAIL, respond(200, NO_PROFILES)),
        (CREATE, respond(201, "{}")),
    ]);
    let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Created));
    let script = Script::new([
        (BY_EMAIL, respond(200, ADA)),
        (UPDATE, respond(404, "{}")),
        (BY_EMAIL, respond(200, ADA)),
        (UPDATE, respond(404, "{}")),
    ]);
    let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    assert_eq!(rejection_kind(&response), RejectionKind::TenantAnswer);
}

/// A tenant that stores addresses, and rejects duplicates.
#[derive(Clone, Default)]
struct Register {
    people: Arc<Mutex<Vec<String>>>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Register {
    async fn serve(self, request: Sent) -> Result<Response<Full<Bytes>>, Infallible> {
        let (parts, body) = request.into_parts();
        let body = own_body(body).await;
        tokio::task::yield_now().await;
        self.lines
            .lock()
            .unwrap()
            .push(format!("{} {}", parts.method, parts.uri.path()));
        let mut people = self.people.lock().unwrap();
        let known = people.iter().any(|email| email == "ada@example.com");
        Ok(match parts.method {
            Method::GET if known => respond(200, ADA),
            Method::GET => respond(200, NO_PROFILES),
            Method::POST if known => respond(422, TAKEN),
            Method::POST => {
                let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
                people.push(body["email"].as_str().unwrap().to_owned());
                respond(201, "{}")
            }
            _ => respond(200, "{}"),
        })
    }
}

#[tokio::test]
async fn concurrent_sign_ups_of_one_person_create_one_profile_even_with_one_permit() {
    let register = Register::default();
    let tenant = register.clone();
    let tenant = service_fn(move |request: Sent| tenant.clone().serve(request));
    let tenant = tower::limit::ConcurrencyLimit::new(tenant, 1);
    let mut service = CommsUpsertLayer::new(CommsPolicy::new()).layer(tenant);
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let service = service.ready().await.unwrap();
        waiting.push(tokio::spawn(service.call(post(OPT_OUT))));
    }
    for response in waiting {
        assert_eq!(response.await.unwrap().unwrap().status(), 200);
    }
    let lines = register.lines.lock().unwrap().clone();
    assert_eq!(
        lines
            .iter()
            .filter(|line| *line == "POST /profiles")
            .count(),
        1
    );
    // Five look-ups, one creation, and four look-ups and updates after it.
    assert_eq!(lines.len(), 14, "no creation raced another: {lines:?}");
}

#[tokio::test]
async fn racing_processes_create_one_profile_without_errors() {
    let register = Register::default();
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let tenant = register.clone();
        let tenant = service_fn(move |request: Sent| tenant.clone().serve(request));
        let service = CommsUpsert::new(tenant, CommsPolicy::new());
        waiting.push(tokio::spawn(service.oneshot(post(OPT_OUT))));
    }
    for response in waiting {
        assert_eq!(response.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(register.people.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_cancelled_sign_up_does_not_block_the_next() {
    let layer = CommsUpsertLayer::new(CommsPolicy::new());
    let silent = layer.layer(service_fn(|_: Sent| {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
    }));
    let gone = tokio::spawn(silent.oneshot(post(OPT_OUT)));
    tokio::task::yield_now().await;
    gone.abort();
    assert!(gone.await.is_err());
    let script = Script::new([(BY_EMAIL, respond(200, ADA)), (UPDATE, respond(200, "{}"))]);
    let tenant = script.clone();
    let service = layer.layer(service_fn(move |request: Sent| {
        tenant.clone().play(request)
    }));
    assert_eq!(service.oneshot(post(OPT_OUT)).await.unwrap().status(), 200);
}

// Responses.

#[tokio::test]
async fn every_outcome_has_the_same_response() {
    let scripts = [
        Script::new([
            (BY_EMAIL, respond(200, ADA)),
            (UPDATE, respond(200, r#"{"data":{"email":"x"}}"#)),
        ]),
        Script::new([
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (CREATE, respond(201, r#"{"data":{"id":"x"}}"#)),
        ]),
        Script::new([
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (CREATE, respond(422, TAKEN)),
            (BY_EMAIL, respond(200, ADA)),
            (UPDATE, respond(204, "")),
        ]),
        Script::new([
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (CREATE, respond(422, r#"{"message":"no"}"#)),
        ]),
    ];
    let policy = CommsPolicy::new().conceal_tenant_validation();
    let mut responses = Vec::new();
    for script in scripts {
        responses.push(script.sign_up(policy.clone(), OPT_OUT).await);
    }
    let script = Script::new([(BY_EMAIL, respond(200, ADA))]);
    responses.push(
        script
            .sign_up(policy, r#"{"email":"ada@example.com"}"#)
            .await,
    );
    for response in responses {
        assert_eq!(response.status(), 200);
        assert_eq!(response.version(), http::Version::HTTP_11);
        let headers: Vec<_> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        assert_eq!(
            headers,
            [
                ("content-type", &b"application/json"[..]),
                ("cache-control", b"no-store")
            ]
        );
        assert_eq!(response.body(), SUCCESS);
    }
}

#[tokio::test]
async fn validation_errors_of_the_tenant_are_relayed_as_strings_only() {
    let body = concat!(
        r#"{"message":"Bad\u0007 name","errors":{"first_name":["Too short",7,"#,
        r#"{"x":1}],"y":"plain","z":null},"trace":"secret"}"#
    );
    let script = Script::new([
        (BY_EMAIL, respond(200, NO_PROFILES)),
        (CREATE, respond(422, body)),
    ]);
    let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    assert_eq!(response.status(), 422);
    assert_eq!(
        response.body(),
        r#"{"message":"Bad name","errors":{"first_name":["Too short"],"y":["plain"]}}"#
    );
}

#[tokio::test]
async fn a_field_has_the_same_name_on_update_and_on_creation() {
    let body = r#"{"message":"no","errors":{"email_optout":["no"]}}"#;
    let script = Script::new([(BY_EMAIL, respond(200, ADA)), (UPDATE, respond(422, body))]);
    let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
    assert_eq!(
        response.body(),
        r#"{"message":"no","errors":{"attributes.comms.email_optout":["no"]}}"#
    );
}

#[tokio::test]
async fn an_invalid_payload_is_rejected_before_the_look_up() {
    for (payload, status, wanted) in [
        ("", 400, r#"{"message":"The request body is empty."}"#),
        (
            "{",
            400,
            r#"{"message":"The request body is malformed: no JSON at line 1, column 1."}"#,
        ),
        (
            r#"{"email":"a@b.example","email":"c@d.example"}"#,
            400,
            r#"{"message":"The request body is malformed: a key occurs twice at email."}"#,
        ),
        (
            "[]",
            422,
            r#"{"message":"The request body must be a JSON object."}"#,
        ),
        (
            r#"{"gender":1}"#,
            422,
            concat!(
                r#"{"message":"The email field is required.","#,
                r#""errors":{"email":["The email field is required."],"#,
                r#""gender":["The selected gender is invalid."]}}"#
            ),
        ),
    ] {
        let script = Script::new([]);
        let response = script.sign_up(CommsPolicy::new(), payload).await;
        assert_eq!(
            (response.status().as_u16(), response.body().as_ref()),
            (status, wanted.as_bytes()),
            "{payload}"
        );
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn a_body_that_is_not_unencoded_json_is_not_read() {
    for (name, value) in [("content-type", "text/plain"), ("content-encoding", "gzip")] {
        let mut request = post(OPT_OUT);
        request.headers_mut().insert(name, value.parse().unwrap());
        let response = Script::new([]).send(CommsPolicy::new(), request).await;
        assert_eq!(response.status(), 415);
    }
    let mut request = post(OPT_OUT);
    request
        .headers_mut()
        .insert("content-type", "application/grpc".parse().unwrap());
    let response = Script::new([]).send(CommsPolicy::new(), request).await;
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers()["grpc-status"].as_bytes()
        ),
        (200, &b"3"[..])
    );
}

/// A body of 1 KiB chunks without a length. After `readable` chunks it ends with the error `end`;
/// without an error, polling it further panics.
struct Chunks {
    given: usize,
    readable: usize,
    end: Option<BoxError>,
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.given == self.readable {
            return match self.end.take() {
                Some(error) => Poll::Ready(Some(Err(error))),
                None => panic!("the body was polled beyond its limit"),
            };
        }
        self.given += 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b' '; 1024])))))
    }
}

fn chunked(readable: usize, end: Option<BoxError>) -> Request<Body> {
    let chunks = Chunks {
        given: 0,
        readable,
        end,
    };
    post("").map(|_| Body::new(chunks))
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit_only() {
    let script = Script::new([]);
    let response = script.send(CommsPolicy::new(), chunked(65, None)).await;
    assert_eq!(rejection_kind(&response), RejectionKind::PayloadTooLarge);
    let policy = CommsPolicy::new().with_body_limit(2048);
    let response = script.send(policy.clone(), chunked(3, None)).await;
    assert_eq!(response.status(), 413);
    let mut declared = chunked(0, None);
    declared
        .headers_mut()
        .insert("content-length", "2049".parse().unwrap());
    let response = script.send(policy, declared).await;
    assert_eq!(response.status(), 413);
    let outer = post(OPT_OUT).map(|body| Body::new(http_body_util::Limited::new(body, 10)));
    let response = script.send(CommsPolicy::new(), outer).await;
    assert_eq!(response.status(), 413, "the limit of the host");
}

#[tokio::test]
async fn an_aborted_body_is_a_client_error() {
    let script = Script::new([]);
    let response = script
        .send(CommsPolicy::new(), chunked(1, Some("reset".into())))
        .await;
    assert_eq!(rejection_kind(&response), RejectionKind::BodyAborted);
    assert_eq!(response.status(), 400);
}

#[tokio::test]
async fn a_sign_up_without_a_subject_or_trusted_caller_is_rejected() {
    let mut request = chunked(0, None);
    request.extensions_mut().clear();
    let response = Script::new([]).send(CommsPolicy::new(), request).await;
    assert_eq!(rejection_kind(&response), RejectionKind::MissingCredentials);
    assert_eq!(
        response.headers()["www-authenticate"],
        r#"Bearer realm="omneo-id""#
    );

    let script = Script::new([(BY_EMAIL, respond(200, ADA))]);
    let mut request = post(r#"{"email":"ada@example.com"}"#);
    request.extensions_mut().clear();
    request.extensions_mut().insert(TrustedCaller);
    assert_eq!(script.send(CommsPolicy::new(), request).await.status(), 200);
}

// Failures of the tenant.

#[tokio::test]
async fn a_failing_tenant_is_an_error_and_no_write_follows() {
    const FAULTS: [(u16, &str, RejectionKind, u16); 10] = [
        (401, "{}", RejectionKind::TenantCredentials, 502),
        (403, "{}", RejectionKind::TenantCredentials, 502),
        (429, "{}", RejectionKind::TooManyRequests, 429),
        (500, "{}", RejectionKind::TenantFailed, 502),
        (502, "<html>", RejectionKind::TenantFailed, 502),
        (503, "{}", RejectionKind::TenantBusy, 503),
        (504, "{}", RejectionKind::TenantTimeout, 504),
        (302, "", RejectionKind::TenantAnswer, 502),
        (400, "{}", RejectionKind::TenantAnswer, 502),
        (
            200,
            "<html>Welcome to the hotel</html>",
            RejectionKind::TenantAnswer,
            502,
        ),
    ];
    for (status, body, kind, wanted) in FAULTS {
        let look_up = Script::new([(BY_EMAIL, respond(status, body))]);
        let create = Script::new([
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (CREATE, respond(status, body)),
        ]);
        let update = Script::new([
            (BY_EMAIL, respond(200, ADA)),
            (UPDATE, respond(status, body)),
        ]);
        for script in [look_up, create, update] {
            let policy = CommsPolicy::new().conceal_tenant_validation();
            let response = script.sign_up(policy, OPT_OUT).await;
            assert_eq!(rejection_kind(&response), kind, "{status}");
            assert_eq!(response.status().as_u16(), wanted);
            assert_eq!(
                response.body(),
                &format!(r#"{{"message":"{}"}}"#, kind.message())
            );
        }
    }
}

#[tokio::test]
async fn retry_after_is_relayed_in_seconds() {
    for (value, wanted) in [("7", Some("7")), ("soon", None), ("99999999999999", None)] {
        let mut busy = respond(429, "{}");
        busy.headers_mut()
            .insert(header::RETRY_AFTER, value.parse().unwrap());
        let response = Script::new([(BY_EMAIL, busy)])
            .sign_up(CommsPolicy::new(), OPT_OUT)
            .await;
        let after = response.headers().get(header::RETRY_AFTER);
        assert_eq!(after.map(|value| value.to_str().unwrap()), wanted);
    }
}

#[tokio::test]
async fn two_profiles_with_one_address_are_an_error() {
    let two = concat!(
        r#"{"data":[{"id":"a-1","email":"ada@example.com"},{"id":"a-2","#,
        r#""email":"ADA@example.com"}]}"#
    );
    let response = Script::new([(BY_EMAIL, respond(200, two))])
        .sign_up(CommsPolicy::new(), OPT_OUT)
        .await;
    assert_eq!(rejection_kind(&response), RejectionKind::TenantAnswer);
}

#[tokio::test]
async fn an_id_that_is_not_a_segment_never_becomes_a_path() {
    for id in ["../../admin", "ada-1/purge", "search-id", ""] {
        let list =
            serde_json::json!({"data": [{"id": id, "email": "ada@example.com"}]}).to_string();
        let list = respond(200, Box::leak(list.into_boxed_str()));
        let response = Script::new([(BY_EMAIL, list)])
            .sign_up(CommsPolicy::new(), OPT_OUT)
            .await;
        assert_eq!(
            rejection_kind(&response),
            RejectionKind::TenantAnswer,
            "{id}"
        );
    }
}

#[tokio::test]
async fn a_rejection_of_an_inner_layer_is_returned() {
    let rejection = Rejection::new(RejectionKind::TenantUnreachable);
    let refused = rejection.into_response(omneo_id::headers::WireProtocol::Http);
    let response = Script::new([(BY_EMAIL, refused)])
        .sign_up(CommsPolicy::new(), OPT_OUT)
        .await;
    assert_eq!(rejection_kind(&response), RejectionKind::TenantUnreachable);
}

#[tokio::test]
async fn an_error_of_the_inner_service_is_returned_unchanged() {
    let tenant = service_fn(async |_: Sent| Err::<Response<Full<Bytes>>, _>("down"));
    let service = CommsUpsert::new(tenant, CommsPolicy::new());
    assert_eq!(service.oneshot(post(OPT_OUT)).await.unwrap_err(), "down");
}

// Requests to the tenant.

#[tokio::test]
async fn requests_to_the_tenant_have_the_necessary_headers_only() {
    let script = Script::new([
        (BY_EMAIL, respond(200, NO_PROFILES)),
        (CREATE, respond(200, "{}")),
    ]);
    let mut request = post(OPT_OUT);
    *request.uri_mut() = "https://shop.example///profiles?_method=DELETE&first_name=Eve"
        .parse()
        .unwrap();
    for (name, value) in [
        ("authorization", "Bearer x"),
        ("cookie", "a=b"),
        ("x-http-method-override", "DELETE"),
        ("content-length", "5"),
        ("x-request-id", "r-1"),
        ("accept-language", "de"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    assert_eq!(script.send(CommsPolicy::new(), request).await.status(), 200);
    let names = |seen: &Seen| {
        let mut names: Vec<_> = seen
            .headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect();
        names.sort();
        names
    };
    let seen = script.seen();
    assert_eq!(
        names(&seen[0]),
        ["accept", "accept-language", "x-request-id"]
    );
    assert_eq!(
        names(&seen[1]),
        ["accept", "accept-language", "content-type", "x-request-id"]
    );
    assert_eq!(seen[1].line, "POST /profiles");
    assert_eq!(seen[1].headers["content-type"], "application/json");
    assert!(
        seen.iter().all(|seen| seen.permitted),
        "the forwarding service accepts the requests"
    );
}

// Other requests.

/// An inner service that echoes its request, and counts its clones.
struct Echo(Arc<Mutex<usize>>);

impl Clone for Echo {
    fn clone(&self) -> Self {
        *self.0.lock().unwrap() += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Service<Request<Either<Full<Bytes>, Full<Bytes>>>> for Echo {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Either<Full<Bytes>, Full<Bytes>>>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let Either::Left(body) = body else {
            panic!("not the client's body");
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        *response.headers_mut() = parts.headers;
        let line = format!("{} {}", parts.method, parts.uri);
        response.headers_mut().insert("line", line.parse().unwrap());
        std::future::ready(Ok(response))
    }
}

#[tokio::test]
async fn every_other_request_passes_unchanged_and_without_a_clone() {
    for line in [
        "GET /profiles",
        "PUT /profiles",
        "POST /Profiles",
        "POST /profile%73",
        "POST /profiles;x",
        "POST /profiles/me",
        "POST /profiles/availability",
        "POST /x/profiles",
        "POST /",
        "OPTIONS *",
    ] {
        let (method, uri) = line.split_once(' ').unwrap();
        let clones = Arc::default();
        let mut service = CommsUpsert::new(Echo(Arc::clone(&clones)), CommsPolicy::new());
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("content-encoding", "gzip")
            .body(Full::from("anything"))
            .unwrap();
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
        assert_eq!(response.headers()["line"], line);
        assert_eq!(response.headers().len(), 2);
        assert!(response.extensions().is_empty());
        assert!(
            response.into_body().into_inner().is_ok(),
            "the inner body is not wrapped"
        );
        assert_eq!(*clones.lock().unwrap(), 0);
    }
}

#[tokio::test]
async fn leading_and_trailing_slashes_are_ignored() {
    for uri in [
        "//profiles",
        "///profiles",
        "/profiles?x=1",
        "/profiles/",
        "//profiles//?x=1",
    ] {
        let script = Script::new([(BY_EMAIL, respond(200, ADA))]);
        let mut request = post(r#"{"email":"ada@example.com"}"#);
        *request.uri_mut() = uri.parse().unwrap();
        assert_eq!(
            script.send(CommsPolicy::new(), request).await.status(),
            200,
            "{uri}"
        );
    }
}

// Readiness and latency.

fn idle<F: Future>(future: &mut Pin<&mut F>) {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_pending());
}

#[tokio::test]
async fn each_tenant_call_polls_readiness() {
    let (mock, mut tenant) = tower_test::mock::pair::<Sent, Response<Full<Bytes>>>();
    tenant.allow(1);
    let mut service = CommsUpsert::new(mock, CommsPolicy::new());
    // The mock panics if it is called through a clone that was not made ready.
    let mut response = pin!(service.ready().await.unwrap().call(post(OPT_OUT)));
    idle(&mut response);
    tenant.allow(1);
    idle(&mut response);
    let (request, send) = tenant.next_request().await.unwrap();
    assert_eq!(request.method(), Method::GET);
    send.send_response(respond(200, ADA));
    idle(&mut response);
    tenant.allow(1);
    idle(&mut response);
    let (request, send) = tenant.next_request().await.unwrap();
    assert_eq!(request.method(), Method::PUT);
    send.send_response(respond(200, "{}"));
    assert_eq!(response.await.unwrap().status(), 200);
}

#[cfg(feature = "client")]
mod latency {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::*;

    const QUANTUM: Duration = Duration::from_millis(250);

    async fn taken(work: u64, payload: &str) -> Duration {
        let tenant = service_fn(move |_: Sent| async move {
            sleep(Duration::from_millis(work)).await;
            Ok::<_, Infallible>(respond(200, ADA))
        });
        let policy = CommsPolicy::new().with_uniform_latency(QUANTUM).unwrap();
        let start = Instant::now();
        let service = CommsUpsert::new(tenant, policy);
        service.oneshot(post(payload)).await.unwrap();
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn responses_are_sent_at_multiples_of_the_quantum() {
        assert_eq!(taken(0, OPT_OUT).await, QUANTUM);
        assert_eq!(taken(1, OPT_OUT).await, QUANTUM);
        assert_eq!(taken(124, OPT_OUT).await, QUANTUM);
        assert_eq!(taken(126, OPT_OUT).await, QUANTUM * 2);
        assert_eq!(taken(1, "{}").await, QUANTUM, "rejections as well");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_body_is_rejected_after_the_idle_timeout_of_the_host() {
        let (_sender, body) = slow();
        let body = omneo_id::body::IdleTimeout::new(body, QUANTUM);
        let request = post("").map(|_| Body::new(body));
        let response = Script::new([]).send(CommsPolicy::new(), request).await;
        assert_eq!(rejection_kind(&response), RejectionKind::RequestTimeout);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_does_not_shift_the_quantum() {
        let tenant = service_fn(async |_: Sent| {
            sleep(Duration::from_millis(100)).await;
            Ok::<_, Infallible>(respond(200, ADA))
        });
        let policy = CommsPolicy::new().with_uniform_latency(QUANTUM).unwrap();
        let (sender, body) = slow();
        let answered =
            tokio::spawn(CommsUpsert::new(tenant, policy).oneshot(post("").map(|_| body)));
        sleep(QUANTUM - Duration::from_millis(50)).await;
        let sent = Instant::now();
        sender.send(()).unwrap();
        answered.await.unwrap().unwrap();
        assert_eq!(sent.elapsed(), QUANTUM);
    }

    fn slow() -> (tokio::sync::oneshot::Sender<()>, Body) {
        struct Slow(tokio::sync::oneshot::Receiver<()>, bool);

        impl http_body::Body for Slow {
            type Data = Bytes;
            type Error = BoxError;

            fn poll_frame(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
                if self.1 {
                    return Poll::Ready(None);
                }
                std::task::ready!(Pin::new(&mut self.0).poll(cx)).unwrap();
                self.1 = true;
                Poll::Ready(Some(Ok(Frame::data(OPT_OUT.into()))))
            }
        }

        let (sender, receiver) = tokio::sync::oneshot::channel();
        (sender, Body::new(Slow(receiver, false)))
    }

    #[test]
    fn a_quantum_is_greater_than_zero_and_at_most_a_minute() {
        assert!(
            CommsPolicy::new()
                .with_uniform_latency(Duration::ZERO)
                .is_err()
        );
        assert!(
            CommsPolicy::new()
                .with_uniform_latency(Duration::from_secs(61))
                .is_err()
        );
    }
}

#[test]
fn the_types_are_shareable_and_their_debug_output_has_no_personal_data() {
    fn shared<T: Clone + Send + Sync + std::fmt::Debug + 'static>(value: T) -> String {
        format!("{value:?}")
    }
    shared(CommsUpsertLayer::new(CommsPolicy::new()));
    shared(CommsUpsert::new((), CommsPolicy::new()));
    shared(UpsertOutcome::Created);
    let sign_up = omneo_id::upsert::SignUp::parse(OPT_OUT.as_bytes(), &CommsPolicy::new()).unwrap();
    assert!(!shared(sign_up).to_lowercase().contains("ada"));
}
