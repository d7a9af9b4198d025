//! The setup of an attack: sockets, and the checks after each request.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use omneo_id::error::BoxError;
use omneo_id::sandbox::Sandbox;
use omneo_id::{OmneoId, SigningKey};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use crate::naive::stays_below;
use crate::support::{SECRET, bearer};

/// An attack that hangs is a failure. The slowest one takes a small fraction of this.
const PATIENCE: Duration = Duration::from_secs(20);

/// Omneo ID and its tenant, each on a socket, a token of Ada and an anonymous one.
pub(super) struct Setup {
    pub(super) address: String,
    pub(super) sandbox: Sandbox,
    pub(super) token: String,
    pub(super) anonymous: String,
}

impl Setup {
    pub(super) async fn lay() -> Self {
        Self::mounted("").await
    }

    /// Mounts the service at a path.
    pub(super) async fn mounted(mount: &str) -> Self {
        let sandbox = Sandbox::new();
        let tenant = serve(TowerToHyperService::new(sandbox.clone())).await;
        let id = OmneoId::builder()
            .upstream(&format!("http://{tenant}"))
            .unwrap()
            .api_token(Sandbox::API_TOKEN)
            .signing_key(SigningKey::hs256(SECRET).unwrap())
            .mount(mount)
            .build()
            .unwrap();
        let mint = async |body: Value| {
            let request = Request::post(format!("{mount}/auth/token"))
                .header("authorization", bearer(Sandbox::API_TOKEN))
                .header("content-type", "application/json")
                .body(Full::<Bytes>::from(body.to_string()))
                .unwrap();
            let response = id.clone().oneshot(request).await.unwrap();
            let response = response.into_body().collect().await.unwrap().to_bytes();
            let response: Value = serde_json::from_slice(&response).unwrap();
            response["data"]["token"].as_str().unwrap().to_owned()
        };
        let token = mint(json!({"id": Sandbox::ADA_ID})).await;
        let anonymous = mint(json!({})).await;
        sandbox.take_requests();
        Self {
            address: serve(TowerToHyperService::new(id)).await,
            sandbox,
            token,
            anonymous,
        }
    }

    /// Sends these bytes on a new connection, and returns all bytes of the response.
    pub(super) async fn send(&self, bytes: &[u8]) -> Vec<u8> {
        let exchange = async {
            let mut stream = TcpStream::connect(&self.address).await.unwrap();
            // The server may have rejected the request and closed the connection already.
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            let mut response = Vec::new();
            let _ = stream.read_to_end(&mut response).await;
            response
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|_| panic!("no end of {}", bytes.escape_ascii()))
    }

    /// A line of a table, with its placeholders replaced.
    pub(super) fn fill(&self, line: &str) -> Vec<u8> {
        let authorization = format!("Authorization: {}", bearer(&self.token));
        let line = line
            .replace("{auth}", &authorization)
            .replace("{me}", "/profiles/me")
            .replace("{ada}", Sandbox::ADA_ID)
            .replace("{grace}", Sandbox::GRACE_ID);
        unescape(&line)
    }

    /// Checks the invariants after an attack. Returns the number of calls of the tenant.
    pub(super) fn check(&self, attack: &[u8], response: &[u8]) -> usize {
        let attack = attack.escape_ascii();
        for status in statuses(response) {
            let is_expected = (200..500).contains(&status) || matches!(status, 100 | 501 | 505);
            assert!(
                is_expected,
                "{status} for {attack}\n{}",
                response.escape_ascii()
            );
        }
        let contains = |secret: &str| {
            response
                .windows(secret.len())
                .any(|w| w == secret.as_bytes())
        };
        assert!(
            !contains(Sandbox::API_TOKEN),
            "the response contains the API token: {attack}"
        );
        assert!(!contains("SMUGGLED"), "{attack}");
        let all = self.sandbox.take_requests();
        for forwarded in &all {
            let path = forwarded.path().as_bytes();
            let own = stays_below(path, &["api", "v3", "profiles", Sandbox::ADA_ID]);
            let stores = stays_below(path, &["api", "v3", "locations"]);
            assert!(own || stores, "{} was reached by {attack}", forwarded.uri);
            self.check_headers(&forwarded.headers, &attack.to_string());
            assert!(
                !forwarded
                    .query()
                    .is_some_and(|query| query.contains("identity")),
                "{attack}"
            );
        }
        let profiles_exist = self.sandbox.profile(Sandbox::ADA_ID).is_some()
            && self.sandbox.profile(Sandbox::GRACE_ID).is_some();
        assert!(profiles_exist, "a profile was deleted: {attack}");
        all.len()
    }

    fn check_headers(&self, headers: &HeaderMap, attack: &str) {
        let all = |name: &str| headers.get_all(name).iter().collect::<Vec<_>>();
        assert_eq!(
            all("authorization"),
            [&bearer(Sandbox::API_TOKEN)],
            "{attack}"
        );
        assert_eq!(all("host").len(), 1, "{attack}");
        assert!(
            all("content-length").len() + all("transfer-encoding").len() <= 1,
            "{attack}"
        );
        for (name, value) in headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            assert!(!value.contains(&self.token), "{name}: {attack}");
            assert!(
                !value.contains("evil.test") || name == "user-agent",
                "{name}: {attack}"
            );
            assert!(!value.contains(Sandbox::GRACE_ID), "{name}: {attack}");
            assert!(!name.as_str().contains(['_', '.']), "{name}: {attack}");
        }
        for gone in [
            "cookie",
            "expect",
            "upgrade",
            "http2-settings",
            "range",
            "via",
            "te",
            "trailer",
            "forwarded",
            "x-forwarded-for",
        ] {
            assert!(all(gone).is_empty(), "{gone}: {attack}");
        }
    }
}

async fn serve<S, B>(service: S) -> String
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let mut server = auto::Builder::new(TokioExecutor::new());
                server.http1().half_close(true);
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

/// The statuses of all responses on a connection.
pub(super) fn statuses(response: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(response);
    let lines = text.split("HTTP/1.").skip(1);
    lines
        .filter_map(|line| line.get(2..5)?.parse().ok())
        .collect()
}

/// Replaces `\r`, `\n`, `\t` and `\xNN` by the bytes that they encode.
pub(super) fn unescape(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend(plain.bytes());
        let (byte, length) = match escape.as_bytes() {
            [b'r', ..] => (b'\r', 1),
            [b'n', ..] => (b'\n', 1),
            [b't', ..] => (b'\t', 1),
            [b'x', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                (u8::from_str_radix(&escape[1..3], 16).unwrap(), 3)
            }
            _ => (b'\\', 0),
        };
        bytes.push(byte);
        rest = &escape[length..];
    }
    bytes.extend(rest.bytes());
    bytes
}

/// The lines of a table.
pub(super) fn lines(table: &str) -> impl Iterator<Item = &str> {
    let lines = table.split('\n').filter(|line| !line.is_empty());
    lines.filter(|line| !line.starts_with("# ") && *line != "#")
}

pub(super) fn get(target: &[u8], more: &[u8], token: &str) -> Vec<u8> {
    let mut request = b"GET ".to_vec();
    request.extend(target);
    request.extend(b" HTTP/1.1\r\nHost: shop.test\r\nAuthorization: Bearer ");
    request.extend(token.bytes());
    request.extend(b"\r\n");
    request.extend(more);
    request.extend(b"\r\n");
    request
}
