//! The OpenAPI description: its path, and its completeness.

use http::Request;
use http_body_util::Full;
use omneo_id::RejectionKind;
use omneo_id::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::process::{MOUNT, Server};
use crate::secret_files::{ED25519, Temporary};
use crate::tenant::SlowTenant;

async fn description(server: &Server) -> Value {
    let response = server.get("/openapi.json").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn the_description_is_outside_the_mount_and_contains_it() {
    let tenant = SlowTenant::start().await;
    let origin = tenant.origin();
    for (flags, url) in [
        (&[][..], "/id/api/v1"),
        (&["--mount", "/shop/omneo"], "/shop/omneo"),
        (&["--mount", ""], "/"),
        (
            &["--upstream", origin.as_str(), "--api-token", "t"],
            "/id/api/v1",
        ),
    ] {
        let server = Server::start(flags, &[]);
        let description = description(&server).await;
        assert_eq!(description["openapi"], "3.1.0");
        assert_eq!(description["servers"], json!([{ "url": url }]));
    }
}

#[tokio::test]
async fn the_description_allows_get_and_head_only() {
    let server = Server::start(&[], &[]);
    let head = Request::head("/openapi.json")
        .body(Full::default())
        .unwrap();
    assert_eq!(server.send(head).await.status(), 200);
    let post = Request::post("/openapi.json")
        .body(Full::default())
        .unwrap();
    let rejected = server.send(post).await;
    assert_eq!(rejected.status(), 405);
    assert_eq!(rejected.headers()["allow"], "GET, HEAD");
}

#[tokio::test]
async fn health_is_served_as_described() {
    let server = Server::start(&[], &[]);
    let description = description(&server).await;
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        let described = &description["paths"][path];
        assert_eq!(described["servers"], json!([{ "url": "/" }]), "{path}");
        let answer = server.get(path).await;
        let status = answer.status().as_u16().to_string();
        assert!(!described["get"]["responses"][&status].is_null(), "{path}");
    }
}

/// Fails if a new rejection kind is not described.
#[tokio::test]
async fn the_status_of_every_rejection_kind_is_described() {
    let server = Server::start(&[], &[]);
    let description = description(&server).await;
    // The route that describes all statuses.
    let responses = &description["paths"]["/auth/token"]["post"]["responses"];
    for kind in RejectionKind::ALL {
        let status = kind.status();
        let name = responses[status.as_str()]["$ref"].as_str();
        let name = name.unwrap_or_else(|| panic!("{kind:?}: {status} is not described"));
        let pointer = name.trim_start_matches('#');
        let response = description.pointer(pointer).unwrap();
        assert!(response["description"].is_string(), "{name}");
    }
}

/// Fails if the server answers a request without credentials as it is not described.
#[tokio::test]
async fn every_operation_answers_a_request_without_credentials_as_described() {
    let pem = Temporary::new("openapi-key", ED25519.as_bytes());
    let flags = ["--sandbox", "--webhook-secret", Sandbox::WEBHOOK_SECRET];
    let key = ["--signing-key-file", pem.path()];
    let server = Server::start(&[&flags[..], &key].concat(), &[]);
    let description = description(&server).await;
    let mut operations = 0;
    for (path, item) in description["paths"].as_object().unwrap() {
        let mount = if item["servers"].is_null() { MOUNT } else { "" };
        let uri = format!("{mount}{}", path.replace(['{', '}'], ""));
        for method in ["get", "post", "put", "patch", "delete"] {
            let Some(operation) = item.get(method) else {
                continue;
            };
            let name = method.to_uppercase();
            let request = Request::builder().method(name.as_str()).uri(&uri);
            let response = server.send(request.body(Full::default()).unwrap()).await;
            let status = response.status();
            let described = &operation["responses"];
            assert!(
                described.get(status.as_str()).is_some(),
                "{name} {path}: {status} is not described"
            );
            let is_open = ["/healthz", "/readyz", "/openapi.json", "/auth/jwks"];
            let expected = if is_open.contains(&path.as_str()) {
                200
            } else {
                401
            };
            assert_eq!(status, expected, "{name} {path}");
            operations += 1;
        }
    }
    assert!(operations > 20, "{operations}");
}
