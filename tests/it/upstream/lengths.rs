//! The declared length of a request to the tenant and of a response to the client, in each kind of
//! server and over each protocol of the client.

use axum::Router;
use axum::extract;
use axum::middleware::map_request;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use omneo_id::sandbox::TestTokens;
use omneo_id::{AccessPolicy, Body, Keyring, OmneoId, OmneoIdBuilder, SigningKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::server::health_reporter;

use super::host::{Client, with_timeout};
use super::support::{TOKEN, data, frames};
use super::tenants::{BOTH, connections};
use crate::support::SECRET;
use crate::support::framing::{Framing, drained, tenant};

const MOUNT: &str = "/id/api/v1";
const ADA: &str = "ada-1";
/// More than hyper reads at once, so that a body arrives in several frames.
const LARGE: usize = 600_000;

#[derive(Clone, Copy, Debug)]
enum Host {
    Hyper,
    Axum,
    /// axum behind a middleware whose body has no size hint.
    AxumWithoutHint,
    /// axum behind a middleware that limits the body.
    AxumLimited,
    /// tonic's server, beside a gRPC service.
    Tonic,
}

const HOSTS: [Host; 5] = [
    Host::Hyper,
    Host::Axum,
    Host::AxumWithoutHint,
    Host::AxumLimited,
    Host::Tonic,
];

impl Host {
    /// Serves Omneo ID in front of the tenant at `origin`.
    async fn serve(
        self,
        origin: &str,
        configure: impl Fn(OmneoIdBuilder) -> OmneoIdBuilder,
    ) -> String {
        let mount = match self {
            Self::Hyper => MOUNT,
            _ => "",
        };
        let builder = OmneoId::builder()
            .upstream(origin)
            .unwrap()
            .api_token(TOKEN)
            .signing_key(SigningKey::hs256(SECRET).unwrap())
            .mount(mount);
        let id = configure(builder).build().unwrap();
        let app = match self {
            Self::Hyper => {
                return connections(move |stream| {
                    let service = TowerToHyperService::new(id.clone());
                    async move {
                        let server = auto::Builder::new(TokioExecutor::new());
                        let _ = server.serve_connection(TokioIo::new(stream), service).await;
                    }
                })
                .await;
            }
            Self::Axum => Router::new().nest_service(MOUNT, id),
            Self::AxumWithoutHint => Router::new()
                .nest_service(MOUNT, id)
                .layer(map_request(hide_hint)),
            Self::AxumLimited => Router::new()
                .nest_service(MOUNT, id)
                .layer(map_request(limit)),
            Self::Tonic => {
                let (_, health) = health_reporter();
                Routes::new(health)
                    .into_axum_router()
                    .nest_service(MOUNT, id)
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        if matches!(self, Self::Tonic) {
            let server = Server::builder().accept_http1(true);
            let server = { server }.add_routes(Routes::from(app));
            tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        } else {
            tokio::spawn(axum::serve(listener, app).into_future());
        }
        address
    }
}

async fn hide_hint(request: extract::Request) -> extract::Request {
    request.map(|body| axum::body::Body::new(body.map_frame(|frame| frame)))
}

async fn limit(request: extract::Request) -> extract::Request {
    request.map(|body| axum::body::Body::new(Limited::new(body, 2 * LARGE)))
}

fn token() -> String {
    let ring = Keyring::new(SigningKey::hs256(SECRET).unwrap());
    TestTokens::new(&ring).unwrap().valid(ADA)
}

async fn status(
    tenant_response: impl Future<Output = hyper::Result<Response<Incoming>>>,
    case: &str,
) -> u16 {
    let response = with_timeout(case, tenant_response).await.unwrap();
    let status = response.status().as_u16();
    with_timeout(case, response.into_body().collect())
        .await
        .unwrap();
    status
}

#[tokio::test]
async fn a_streamed_body_keeps_its_framing() {
    let (origin, mut received) = tenant().await;
    let bearer = format!("Bearer {}", token());
    for host in HOSTS {
        let address = host.serve(&origin, |builder| builder).await;
        for protocol in BOTH {
            let client = Client::connect(&address, protocol).await;
            for method in [Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
                let empty = match method {
                    Method::DELETE => Framing::Absent,
                    _ => Framing::Length(0),
                };
                let small = Bytes::from_static(br#"{"email_promo":false}"#);
                let large = Bytes::from(vec![b' '; LARGE]);
                for (body, framing, length) in [
                    (Body::from(small), Framing::Length(21), 21),
                    (Body::from(large), Framing::Length(LARGE), LARGE),
                    (frames([data("un"), data("known")]), Framing::Chunked, 7),
                    (Body::empty(), empty, 0),
                ] {
                    let case = format!("{host:?} {protocol:?} {method} {framing:?}");
                    let request = Request::builder()
                        .method(&method)
                        .header("authorization", &bearer)
                        .header("content-type", "application/json");
                    let path = "/id/api/v1/profiles/me/attributes/comms";
                    let response = client.send_to(path, request, body);
                    assert_eq!(status(response, &case).await, 200, "{case}");
                    let expected = (method.to_string(), framing, length);
                    assert_eq!(drained(&mut received), [expected], "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_collected_body_is_forwarded_with_its_length() {
    let (origin, mut received) = tenant().await;
    let user = format!("Bearer {}", token());
    let server = format!("Bearer {TOKEN}");
    let address = r#"{"city":"London"}"#;
    let sign_up = r#"{"email":"ada@example.com","first_name":"Ada","last_name":"L"}"#;
    let mint = r#"{"id":"ada-1"}"#;
    for host in HOSTS {
        let configure = |builder: OmneoIdBuilder| {
            let policy = AccessPolicy::allow_all().deny("DELETE", "/**").unwrap();
            builder.access_policy(policy)
        };
        let host_address = host.serve(&origin, configure).await;
        for protocol in BOTH {
            let client = Client::connect(&host_address, protocol).await;
            for (path, bearer, text, methods) in [
                (
                    "/id/api/v1/profiles/me/addresses",
                    &user,
                    address,
                    &["POST"][..],
                ),
                ("/id/api/v1/profiles", &user, sign_up, &["GET", "POST"]),
                ("/id/api/v1/auth/token", &server, mint, &["POST"]),
            ] {
                let known = Body::from(Bytes::from_static(text.as_bytes()));
                let (begin, end) = text.split_at(5);
                let unknown = frames([data(begin), data(end)]);
                for (kind, body) in [("known", known), ("unknown", unknown)] {
                    let case = format!("{host:?} {protocol:?} {path} {kind}");
                    let request = Request::builder()
                        .method(Method::POST)
                        .header("authorization", bearer)
                        .header("content-type", "application/json");
                    let response = client.send_to(path, request, body);
                    assert_eq!(status(response, &case).await, 200, "{case}");
                    let received = drained(&mut received);
                    let seen: Vec<_> = received.iter().map(|(method, ..)| &**method).collect();
                    assert_eq!(seen, methods, "{case}");
                    for (method, framing, length) in received {
                        let expected = match &*method {
                            "GET" => Framing::Absent,
                            _ => Framing::Length(length),
                        };
                        assert_eq!(framing, expected, "{case}");
                        assert_eq!(method == "GET", length == 0, "{case}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_response_keeps_its_framing() {
    let known = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    let not_modified = "HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n\r\n";
    let no_content = "HTTP/1.1 204 No Content\r\n\r\n";
    let empty = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    for (method, response, framing) in [
        ("GET", known, Framing::Length(5)),
        ("GET", chunked, Framing::Chunked),
        ("GET", empty, Framing::Length(0)),
        ("HEAD", head, Framing::Length(5)),
        ("GET", not_modified, Framing::Absent),
        ("DELETE", no_content, Framing::Absent),
    ] {
        let origin = super::tenants::raw(response, false).await;
        for host in HOSTS {
            let case = format!("{host:?} {method} {response:?}");
            let address = host.serve(&origin, |builder| builder).await;
            let mut stream = TcpStream::connect(&address["http://".len()..])
                .await
                .unwrap();
            let request = format!(
                "{method} /id/api/v1/profiles/me HTTP/1.1\r\nhost: h\r\n\
                 authorization: Bearer {}\r\nconnection: close\r\n\r\n",
                token()
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut text = String::new();
            with_timeout(&case, stream.read_to_string(&mut text))
                .await
                .unwrap();
            let (head, body) = text.split_once("\r\n\r\n").expect(&case);
            let head = head.to_ascii_lowercase();
            let length = head.split_once("content-length: ").map(|(_, rest)| {
                let digits = rest.lines().next().unwrap();
                Framing::Length(digits.parse().unwrap())
            });
            let declared = match head.contains("transfer-encoding: chunked") {
                true => Framing::Chunked,
                false => length.unwrap_or(Framing::Absent),
            };
            assert_eq!(declared, framing, "{case}: {head}");
            let expected = match (method, framing) {
                ("GET", Framing::Length(5)) => "hello",
                (_, Framing::Chunked) => "5\r\nhello\r\n0\r\n\r\n",
                _ => "",
            };
            assert_eq!(body, expected, "{case}");
        }
    }
}
