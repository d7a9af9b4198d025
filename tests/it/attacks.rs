//! Collections of attacks, replayed byte for byte over sockets: Omneo ID on loopback, in front of a
//! tenant that is reached over another connection.

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

/// An attack that hangs is a failure; none comes near this.
const PATIENCE: Duration = Duration::from_secs(20);

/// Omneo ID on a socket, its tenant on another one, and a token of Ada.
struct Field {
    address: String,
    sandbox: Sandbox,
    token: String,
}

impl Field {
    async fn lay() -> Self {
        let sandbox = Sandbox::new();
        let tenant = serve(TowerToHyperService::new(sandbox.clone())).await;
        let id = OmneoId::builder()
            .upstream(&format!("http://{tenant}"))
            .unwrap()
            .api_token(Sandbox::API_TOKEN)
            .signing_key(SigningKey::hs256(SECRET).unwrap())
            .build()
            .unwrap();
        let request = Request::post("/auth/token")
            .header("authorization", bearer(Sandbox::API_TOKEN))
            .header("content-type", "application/json")
            .body(Full::<Bytes>::from(
                json!({"id": Sandbox::ADA_ID}).to_string(),
            ))
            .unwrap();
        let answer = id.clone().oneshot(request).await.unwrap();
        let answer = answer.into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let token = answer["data"]["token"].as_str().unwrap().to_owned();
        sandbox.take_requests();
        Self {
            address: serve(TowerToHyperService::new(id)).await,
            sandbox,
            token,
        }
    }

    /// Sends these bytes on a connection of their own, and returns all that comes back.
    async fn send(&self, bytes: &[u8]) -> Vec<u8> {
        let exchange = async {
            let mut stream = TcpStream::connect(&self.address).await.unwrap();
            // Whoever refuses early may have closed already.
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            answer
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|_| panic!("no end of {}", bytes.escape_ascii()))
    }

    /// A line of a table, with everything filled in.
    fn fill(&self, line: &str) -> Vec<u8> {
        let authorization = format!("Authorization: {}", bearer(&self.token));
        let line = line
            .replace("{auth}", &authorization)
            .replace("{me}", "/profiles/me")
            .replace("{ada}", Sandbox::ADA_ID)
            .replace("{grace}", Sandbox::GRACE_ID);
        unescape(&line)
    }

    /// What must hold whatever has been sent.
    fn check(&self, attack: &[u8], answer: &[u8]) {
        let attack = attack.escape_ascii();
        for status in statuses(answer) {
            let fine = (200..500).contains(&status) || matches!(status, 100 | 501 | 505);
            assert!(fine, "{status} for {attack}\n{}", answer.escape_ascii());
        }
        let seen = |secret: &str| answer.windows(secret.len()).any(|w| w == secret.as_bytes());
        assert!(
            !seen(Sandbox::API_TOKEN),
            "the API token came back: {attack}"
        );
        assert!(!seen("SMUGGLED"), "{attack}");
        for asked in self.sandbox.take_requests() {
            let path = asked.path().as_bytes();
            let own = stays_below(path, &["api", "v3", "profiles", Sandbox::ADA_ID]);
            let stores = stays_below(path, &["api", "v3", "locations"]);
            assert!(own || stores, "{} was reached by {attack}", asked.uri);
            self.check_headers(&asked.headers, &attack.to_string());
            assert!(
                !asked
                    .query()
                    .is_some_and(|query| query.contains("identity")),
                "{attack}"
            );
        }
        let people = self.sandbox.profile(Sandbox::ADA_ID).is_some()
            && self.sandbox.profile(Sandbox::GRACE_ID).is_some();
        assert!(people, "somebody is gone: {attack}");
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
            "te",
            "trailer",
            "forwarded",
            "via",
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

/// The statuses in what a connection gave back.
fn statuses(answer: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answer);
    let lines = text.split("HTTP/1.").skip(1);
    lines
        .filter_map(|line| line.get(2..5)?.parse().ok())
        .collect()
}

/// `\r`, `\n`, `\t` and `\xNN` as the bytes that they stand for.
fn unescape(line: &str) -> Vec<u8> {
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
fn lines(table: &str) -> impl Iterator<Item = &str> {
    let lines = table.split('\n').filter(|line| !line.is_empty());
    lines.filter(|line| !line.starts_with("# ") && *line != "#")
}

fn get(target: &[u8], more: &[u8], token: &str) -> Vec<u8> {
    let mut request = b"GET ".to_vec();
    request.extend(target);
    request.extend(b" HTTP/1.1\r\nHost: shop.test\r\nAuthorization: Bearer ");
    request.extend(token.bytes());
    request.extend(b"\r\n");
    request.extend(more);
    request.extend(b"\r\n");
    request
}

#[tokio::test]
async fn an_honest_request_works_on_this_field() {
    let field = Field::lay().await;
    let answer = field.send(&get(b"/profiles/me", b"", &field.token)).await;
    assert_eq!(statuses(&answer), [200], "{}", answer.escape_ascii());
    assert_eq!(field.sandbox.take_requests().len(), 1);
    assert_eq!(unescape(r"a\r\n\x00\u002e\\"), b"a\r\n\x00\\u002e\\\\");
}

#[tokio::test]
async fn an_absolute_target_is_taken_for_the_own_host_only() {
    let field = Field::lay().await;
    for (target, expected) in [
        ("http://shop.test/profiles/me", 200),
        ("http://SHOP.test//profiles/me", 200),
        ("http://shop.test:80/profiles/me", 404),
        ("http://evil.test/profiles/me", 404),
        ("http://evil.test//profiles/me", 404),
        ("http://evil.test//locations", 404),
        ("http://shop.test@evil.test/profiles/me", 404),
    ] {
        let attack = get(target.as_bytes(), b"", &field.token);
        let answer = field.send(&attack).await;
        assert_eq!(statuses(&answer), [expected], "{target}");
        field.check(&attack, &answer);
    }
}

#[tokio::test]
async fn no_target_leads_out_of_the_profile() {
    let field = Field::lay().await;
    let mut count = 0;
    for line in lines(include_str!("data/paths.txt")) {
        for tail in ["", "/lists", "?page[size]=1", "/..", "%2f.."] {
            let mut target = field.fill(line);
            target.extend(tail.bytes());
            let attack = get(&target, b"", &field.token);
            field.check(&attack, &field.send(&attack).await);
            count += 1;
        }
    }
    assert!(count > 900, "{count}");
}

#[tokio::test]
async fn no_header_renames_or_unlocks_anything() {
    let field = Field::lay().await;
    let mut count = 0;
    for line in lines(include_str!("data/headers.txt")) {
        let mut more = field.fill(line);
        more.extend(b"\r\n");
        for target in ["/profiles/me/lists", "/locations"] {
            let attack = get(target.as_bytes(), &more, &field.token);
            field.check(&attack, &field.send(&attack).await);
            count += 1;
        }
        let body = b"{\"name\":\"x\"}";
        let mut more = field.fill(line);
        more.extend(format!("\r\nContent-Length: {}\r\n", body.len()).bytes());
        let mut attack = get(b"/profiles/me/lists", &more, &field.token);
        attack.splice(..3, *b"POST");
        attack.extend(body);
        field.check(&attack, &field.send(&attack).await);
    }
    assert!(count > 250, "{count}");
}

#[tokio::test]
async fn no_request_smuggles_another_one() {
    let field = Field::lay().await;
    let mut count = 0;
    for line in lines(include_str!("data/requests.txt")) {
        let attack = field.fill(line);
        field.check(&attack, &field.send(&attack).await);
        // Whatever is left on a connection to the tenant would hit the next one.
        let honest = get(b"/profiles/me/balances", b"", &field.token);
        let answer = field.send(&honest).await;
        assert_eq!(statuses(&answer), [200], "after {}", attack.escape_ascii());
        let asked = field.sandbox.take_requests();
        assert_eq!(asked.len(), 1, "after {}", attack.escape_ascii());
        assert!(
            asked[0].path().ends_with("/balances"),
            "after {}",
            attack.escape_ascii()
        );
        count += 1;
    }
    assert!(count > 110, "{count}");
}

#[tokio::test]
async fn nobody_gets_anywhere_without_a_token() {
    let field = Field::lay().await;
    for table in [
        include_str!("data/paths.txt"),
        include_str!("data/requests.txt"),
    ] {
        for line in lines(table) {
            let line = line.replace("{auth}", "X-Nobody: 1");
            let attack = if table.contains("HTTP/1.1") && line.contains("HTTP/") {
                field.fill(&line)
            } else {
                let mut attack = b"GET ".to_vec();
                attack.extend(field.fill(&line));
                attack.extend(b" HTTP/1.1\r\nHost: shop.test\r\n\r\n");
                attack
            };
            let answer = field.send(&attack).await;
            let asked = field.sandbox.requests();
            assert!(asked.is_empty(), "{}", attack.escape_ascii());
            field.check(&attack, &answer);
        }
    }
}
