//! The description: where it is, and that it names what there is.

use http::Request;
use http_body_util::Full;
use omneo_id::RejectionKind;
use serde_json::{Value, json};

use crate::process::Server;
use crate::tenant::SlowTenant;

async fn description(server: &Server) -> Value {
    let response = server.get("/openapi.json").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn it_lies_outside_the_mount_and_names_it() {
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
async fn it_is_read_and_nothing_else() {
    let server = Server::start(&[], &[]);
    let head = Request::head("/openapi.json")
        .body(Full::default())
        .unwrap();
    assert_eq!(server.send(head).await.status(), 200);
    let post = Request::post("/openapi.json")
        .body(Full::default())
        .unwrap();
    let refused = server.send(post).await;
    assert_eq!(refused.status(), 405);
    assert_eq!(refused.headers()["allow"], "GET, HEAD");
}

#[tokio::test]
async fn health_is_where_it_says() {
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

/// So that a new refusal is not forgotten.
#[tokio::test]
async fn every_status_that_the_service_refuses_with_is_described() {
    let server = Server::start(&[], &[]);
    let description = description(&server).await;
    // The one route that all of them can come from.
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
