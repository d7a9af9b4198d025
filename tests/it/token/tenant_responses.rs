//! The responses of the tenant: a status, a media type and a body each, and the minted token.

use super::*;

const HTML: &str = "text/html; charset=UTF-8";
const BOM: &str = "\u{feff}";

/// A tenant with this response.
fn respond_with(status: u16, media: &'static str, body: impl Into<Bytes>) -> Tenant {
    let body = body.into();
    Tenant::new(move || {
        let mut response = Response::builder().status(status);
        if !media.is_empty() {
            response = response.header("content-type", media);
        }
        response.body(Body::from(body.clone())).unwrap()
    })
}

#[tokio::test]
async fn an_empty_2xx_of_auth_verify_accepts_the_token_with_any_media_type() {
    for status in [200, 201, 202, 203, 204] {
        for media in ["", HTML, "application/json", "text/plain"] {
            for body in ["", "\n", " \r\n", BOM] {
                let tenant = respond_with(status, media, body);
                let subject = minted(tenant.endpoint(), "{}").await;
                assert_eq!(subject, Subject::Anonymous, "{status} {media} {body:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_status_member_of_auth_verify_decides() {
    let json = "application/json";
    for (body, expected) in [
        (r#"{"status":200}"#, 200),
        (r#" {"status":"200"} "#, 200),
        ("\u{feff}{\"status\":200}", 200),
        (r#"{"data":{}}"#, 200),
        ("[]", 200),
        ("null", 200),
        (r#"{"status":401}"#, 401),
        ("\u{feff}{\"status\":401}", 401),
        (r#"{"status":null}"#, 401),
        (r#"{"status":500}"#, 401),
        (r#"{"status":"ok"}"#, 401),
        // Invalid JSON that starts like an object or an array.
        (r#"{"status":401"#, 502),
        (r#"{"status":200"#, 502),
        ("[1,", 502),
    ] {
        for status in [200, 201] {
            let tenant = respond_with(status, json, body);
            let (found, ..) = send(tenant.endpoint(), post("{}")).await;
            assert_eq!(found, expected, "{status} {body}");
        }
    }
}

#[tokio::test]
async fn an_html_page_in_place_of_auth_verify_mints_no_token() {
    for (media, body) in [
        (HTML, "<html>sign in</html>"),
        (HTML, "Sign in"),
        ("Text/HTML", "OK"),
        ("application/xhtml+xml", "OK"),
        (HTML, r#"{"status":200}"#),
        ("", "<html>"),
        ("text/plain", " \n<!doctype html>"),
        ("application/json", "\u{feff}<html>"),
        ("application/json", "\u{feff} <html>"),
        ("text/xml", "<?xml version=\"1.0\"?>"),
    ] {
        for status in [200, 203] {
            let tenant = respond_with(status, media, body);
            let (found, ..) = send(tenant.endpoint(), post("{}")).await;
            assert_eq!(found, 502, "{media} {body}");
        }
    }
    // Bytes that are not UTF-8: a page with a content coding, or in UTF-16.
    for body in [&b"\x1f\x8b\x08\x00"[..], b"\xff\xfe<\x00h\x00"] {
        let tenant = respond_with(200, "text/plain", body);
        assert_eq!(send(tenant.endpoint(), post("{}")).await.0, 502);
    }
    let coded = Tenant::new(|| {
        let response = Response::builder().header("content-encoding", "br");
        response.body(Body::from(Bytes::from("ok"))).unwrap()
    });
    assert_eq!(send(coded.endpoint(), post("{}")).await.0, 502);
    // Plain text is neither JSON nor HTML.
    for media in ["", "text/plain", "application/json"] {
        let tenant = respond_with(200, media, "OK");
        assert_eq!(minted(tenant.endpoint(), "{}").await, Subject::Anonymous);
    }
}

#[tokio::test]
async fn any_2xx_with_a_profile_answers_a_look_up() {
    let data = format!(r#"{{"data":{{"id":"{PID}"}}}}"#);
    let received = json!({ "id": PID }).to_string();
    for status in [200, 201, 202, 203] {
        for media in ["", HTML, "application/json"] {
            for body in [data.clone(), format!("{BOM}{data}"), format!(" {data}\n")] {
                let tenant = respond_with(status, media, body);
                assert_eq!(minted(tenant.endpoint(), &received).await, ada());
            }
        }
    }
    // A response without `data` does not show whether the profile exists.
    for status in [200, 201, 204] {
        for body in ["", " ", BOM] {
            let tenant = respond_with(status, HTML, body);
            let (found, ..) = send(tenant.endpoint(), post(received.clone())).await;
            assert_eq!(found, 502, "{status} {body:?}");
        }
    }
    for status in [100, 301, 304, 400, 409] {
        let tenant = respond_with(status, "application/json", data.clone());
        let (found, ..) = send(tenant.endpoint(), post(received.clone())).await;
        assert_eq!(found, 502, "{status}");
    }
}

/// An empty body as Symfony and Laravel send it, through the whole service.
#[cfg(feature = "client")]
#[tokio::test]
async fn an_empty_answer_of_a_laravel_tenant_mints_anonymous_tokens() {
    let client = service_fn(async |_: Request<omneo_id::upstream::RequestBody>| {
        let response = Response::builder()
            .header("content-type", HTML)
            .header("content-length", "0");
        Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
    });
    let id = omneo_id::OmneoId::builder()
        .upstream("https://api.acme.test")
        .unwrap()
        .api_token(API_TOKEN)
        .signing_key(SigningKey::hs256([7; 32]).unwrap())
        .build_with_client(client)
        .unwrap();
    let response = id.oneshot(post("{}")).await.unwrap();
    assert_eq!(response.status(), 200);
    let json = response.into_body().collect().await.unwrap().to_bytes();
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(
        payload(json["data"]["token"].as_str().unwrap())["pid"],
        "null"
    );
}
