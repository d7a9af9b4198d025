//! Surprising behaviour of a real tenant that the sandbox reproduces.

use std::io::Read;

use http::{Method, Request};
use http_body_util::Full;
use omneo_id::sandbox::Sandbox;
use serde_json::json;

use crate::support::{bare, get, post, put, request, send, with_json};

#[tokio::test]
async fn an_identity_in_the_query_turns_the_id_into_an_identifier() {
    let sandbox = Sandbox::new();
    for query in [
        "identity[handle]=magento_id",
        "identity%5Bhandle%5D=magento_id",
        "+%69dentity[handle]x=magento_id",
    ] {
        let path = format!("/profiles/{}?{query}", Sandbox::ADA_MAGENTO_ID);
        assert_eq!(
            get(&sandbox, &path).await.expect(200).data()["id"],
            Sandbox::ADA_ID
        );
    }
    let path = format!(
        "/profiles/{}/lists?identity[handle]=pos",
        Sandbox::ADA_MAGENTO_ID
    );
    assert_eq!(
        get(&sandbox, &path).await.expect(200).data()[0]["profile_id"],
        Sandbox::GRACE_ID
    );
    // In this case, the id is not an identifier.
    let path = format!("/profiles/{}?identity[handle]=pos", Sandbox::ADA_ID);
    get(&sandbox, &path).await.expect(404);
}

#[tokio::test]
async fn paths_are_decoded_and_dot_segments_resolved() {
    let sandbox = Sandbox::new();
    let grace = Sandbox::GRACE_ID;
    for path in [
        format!("/profiles/{}/../{grace}", Sandbox::ADA_ID),
        format!("/profiles/{}%2F%2e%2E%2f{grace}", Sandbox::ADA_ID),
        format!("/profiles/./{grace}"),
        format!("/%70rofiles/{grace}/"),
    ] {
        assert_eq!(
            get(&sandbox, &path).await.expect(200).data()["id"],
            grace,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_post_can_name_another_method() {
    for (path, header, body) in [
        ("", Some("x-http-method-override"), json!({})),
        ("", Some("x_http_method_override"), json!({})),
        ("?_method=delete", None, json!({})),
        ("?+%5fmethod=DELETE", None, json!({})),
        ("", None, json!({"_method": "DELETE"})),
    ] {
        let sandbox = Sandbox::new();
        let mut builder = request(
            Method::POST,
            &format!("/profiles/{}{path}", Sandbox::ALAN_ID),
        );
        if let Some(header) = header {
            builder = builder.header(header, "DELETE");
        }
        with_json(&sandbox, builder, body).await.expect(204);
        assert!(sandbox.profile(Sandbox::ALAN_ID).is_none());
    }
    let sandbox = Sandbox::new();
    get(
        &sandbox,
        &format!("/profiles/{}?_method=DELETE", Sandbox::ALAN_ID),
    )
    .await
    .expect(200);
}

#[tokio::test]
async fn a_query_adds_to_the_input_of_a_write() {
    let sandbox = Sandbox::new();
    let path = format!(
        "/profiles/{}?company=Analytical&first_name=Eve",
        Sandbox::ADA_ID
    );
    let changed = put(&sandbox, &path, json!({"first_name": "Augusta"}))
        .await
        .expect(200)
        .data();
    assert_eq!(changed["company"], "Analytical");
    assert_eq!(changed["first_name"], "Augusta");
}

#[tokio::test]
async fn malformed_json_is_an_empty_input() {
    let sandbox = Sandbox::new();
    let builder = request(Method::POST, "/profiles").header("content-type", "application/json");
    let response = send(&sandbox, builder.body(Full::from("{\"email\"")).unwrap())
        .await
        .unwrap()
        .expect(422);
    assert_eq!(
        response.json()["errors"],
        json!({"email": ["The email field is required."]})
    );
}

#[tokio::test]
async fn a_form_is_trimmed_input_too() {
    let sandbox = Sandbox::new();
    let builder = request(Method::PUT, &format!("/profiles/{}", Sandbox::ADA_ID))
        .header("content-type", "application/x-www-form-urlencoded");
    let body = Full::from("first_name=+Augusta+&company=");
    let changed = send(&sandbox, builder.body(body).unwrap())
        .await
        .unwrap()
        .expect(200)
        .data();
    assert_eq!(changed["first_name"], "Augusta");
    assert!(changed["company"].is_null());
}

#[tokio::test]
async fn every_response_has_the_tenants_headers() {
    let sandbox = Sandbox::new();
    for response in [
        get(&sandbox, "/locations").await.expect(200),
        get(&sandbox, "/nothing").await.expect(404),
        bare(&sandbox, Request::get("/api/v3/locations"))
            .await
            .expect(401),
    ] {
        assert_eq!(response.header("access-control-allow-origin"), "*");
        assert_eq!(response.header("server"), "nginx");
        assert_eq!(response.header("x-powered-by"), "PHP/8.3");
        assert!(response.header("set-cookie").starts_with("omneo_session="));
        assert_eq!(response.header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn json_is_written_as_php_writes_it() {
    let sandbox = Sandbox::new();
    let response = get(&sandbox, &format!("/profiles/{}/lists", Sandbox::ZOE_ID))
        .await
        .expect(200);
    assert!(String::from_utf8_lossy(&response.body).contains(r"http:\/\/tenant.test\/api\/v3"));
    let response = get(&sandbox, &format!("/profiles/{}", Sandbox::ZOE_ID))
        .await
        .expect(200);
    assert!(response.body.is_ascii());
    assert!(String::from_utf8_lossy(&response.body).contains(r"Zo\u00eb \u00c5ngstr\u00f6m"));
    assert_eq!(response.data()["full_name"], "Zoë Ångström");
    let path = format!("/profiles/{}", Sandbox::ADA_ID);
    let changed = put(&sandbox, &path, json!({"first_name": "😀\"\\\n\u{7f}"}))
        .await
        .expect(200);
    assert_eq!(changed.data()["first_name"], "😀\"\\\n\u{7f}");
}

#[tokio::test]
async fn responses_are_compressed_if_the_client_accepts_gzip() {
    let sandbox = Sandbox::new();
    let plain = get(&sandbox, "/locations").await.expect(200);
    assert!(!plain.headers.contains_key("content-encoding"));
    for (accepted, zipped) in [
        ("gzip", true),
        ("br, gzip;q=0.5", true),
        ("gzip;q=0", false),
        ("br", false),
    ] {
        let builder = request(Method::GET, "/locations").header("accept-encoding", accepted);
        let response = bare(&sandbox, builder).await.expect(200);
        assert_eq!(
            response.headers.contains_key("content-encoding"),
            zipped,
            "{accepted}"
        );
        if zipped {
            assert_eq!(response.header("vary"), "Accept-Encoding");
            let mut unzipped = Vec::new();
            flate2::read::GzDecoder::new(&response.body[..])
                .read_to_end(&mut unzipped)
                .unwrap();
            assert_eq!(unzipped, plain.body);
        }
    }
}

#[tokio::test]
async fn an_absolute_uri_is_accepted_and_used_in_links() {
    let sandbox = Sandbox::new();
    let builder = Request::get("https://api.acme.test/api/v3/locations")
        .header("authorization", format!("Bearer {}", Sandbox::API_TOKEN));
    let response = bare(&sandbox, builder).await.expect(200);
    assert_eq!(
        response.json()["meta"]["path"],
        "https://api.acme.test/api/v3/locations"
    );
}

#[tokio::test]
async fn a_created_resource_has_a_location() {
    let sandbox = Sandbox::new();
    let path = format!("/profiles/{}/lists", Sandbox::ADA_ID);
    let created = post(&sandbox, &path, json!({"name": "Summer looks"}))
        .await
        .expect(201);
    let id = created.data()["id"].to_string();
    assert_eq!(
        created.header("location"),
        format!("http://tenant.test/api/v3{path}/{id}")
    );
    let created = post(&sandbox, "/profiles", json!({"email": "new@example.com"}))
        .await
        .expect(201);
    let id = created.data()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        created.header("location"),
        format!("http://tenant.test/api/v3/profiles/{id}")
    );
}

#[tokio::test]
async fn a_too_large_body_is_rejected_before_the_application() {
    let sandbox = Sandbox::new();
    let body = Full::from(vec![b' '; (16 << 20) + 1]);
    let response = send(
        &sandbox,
        request(Method::POST, "/profiles").body(body).unwrap(),
    )
    .await
    .unwrap();
    assert_eq!(response.expect(413).header("content-type"), "text/html");
}
