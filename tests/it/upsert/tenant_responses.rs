//! The tenant's responses in their various formats.

use super::*;

const BOM: &str = "\u{feff}";

fn of_type(mut response: Response<Full<Bytes>>, media: &'static str) -> Response<Full<Bytes>> {
    let media = http::HeaderValue::from_static(media);
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}

fn outcome(response: &Response<Bytes>) -> Option<UpsertOutcome> {
    response.extensions().get().copied()
}

#[tokio::test]
async fn a_2xx_without_content_or_with_json_is_a_stored_write() {
    for status in [200, 201, 202, 204] {
        for media in ["text/html; charset=UTF-8", "application/json"] {
            for body in [
                "",
                "\n",
                " \r\n",
                BOM,
                "{}",
                r#" {"data":{"id":"ada-1"}} "#,
                "\u{feff}{\"data\":{}}",
                // PHP's empty array, and a controller that returns `true`.
                "[]",
                "true",
                "null",
            ] {
                let create = Script::new([
                    (BY_EMAIL, respond(200, NO_PROFILES)),
                    (CREATE, of_type(respond(status, body), media)),
                ]);
                let response = create.sign_up(CommsPolicy::new(), OPT_OUT).await;
                let case = format!("{status} {media} {body:?}");
                assert_eq!(outcome(&response), Some(UpsertOutcome::Created), "{case}");
                let update = Script::new([
                    (BY_EMAIL, respond(200, ADA)),
                    (UPDATE, of_type(respond(status, body), media)),
                ]);
                let response = update.sign_up(CommsPolicy::new(), OPT_OUT).await;
                assert_eq!(outcome(&response), Some(UpsertOutcome::Updated), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_2xx_with_other_content_is_an_error() {
    for body in [
        "<html>",
        "\u{feff}<html>",
        " <!doctype html>",
        "{",
        r#"{"data":"#,
        "OK",
    ] {
        for status in [200, 201] {
            let create = Script::new([
                (BY_EMAIL, respond(200, NO_PROFILES)),
                (CREATE, respond(status, body)),
            ]);
            let response = create.sign_up(CommsPolicy::new(), OPT_OUT).await;
            assert_eq!(
                rejection_kind(&response),
                RejectionKind::TenantAnswer,
                "{body}"
            );
            let update = Script::new([
                (BY_EMAIL, respond(200, ADA)),
                (UPDATE, respond(status, body)),
            ]);
            let response = update.sign_up(CommsPolicy::new(), OPT_OUT).await;
            assert_eq!(
                rejection_kind(&response),
                RejectionKind::TenantAnswer,
                "{body}"
            );
        }
    }
}

#[tokio::test]
async fn a_list_is_read_from_every_2xx_and_after_a_byte_order_mark() {
    let marked = Box::leak(format!("{BOM}{ADA}").into_boxed_str());
    for (status, list) in [(200, &*marked), (201, ADA), (203, ADA), (203, marked)] {
        let script = Script::new([
            (BY_EMAIL, respond(status, list)),
            (UPDATE, respond(204, "")),
        ]);
        let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
        assert_eq!(outcome(&response), Some(UpsertOutcome::Updated));
    }
    // A missing list differs from an empty one: a profile must not be created because of it.
    for (status, list) in [(200, ""), (204, ""), (200, BOM), (200, "[]"), (200, "null")] {
        let script = Script::new([(BY_EMAIL, respond(status, list))]);
        let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
        assert_eq!(
            rejection_kind(&response),
            RejectionKind::TenantAnswer,
            "{list:?}"
        );
    }
}

#[tokio::test]
async fn the_owner_of_an_address_is_read_from_every_2xx() {
    let owner = "\u{feff}{\"data\":{\"email\":{\"profile\":{\"id\":\"ada-1\"}}}}";
    let profile = "\u{feff}{\"data\":{\"id\":\"ada-1\",\"email\":\"ada@example.com\"}}";
    for status in [200, 201] {
        let script = Script::new([
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (CREATE, respond(422, TAKEN)),
            (BY_EMAIL, respond(200, NO_PROFILES)),
            ("POST /profiles/availability", respond(status, owner)),
            ("GET /profiles/ada-1", respond(status, profile)),
            (UPDATE, respond(200, "")),
        ]);
        let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
        assert_eq!(outcome(&response), Some(UpsertOutcome::Updated));
    }
}

#[tokio::test]
async fn a_422_keeps_its_message_for_every_format_of_errors() {
    for (body, wanted) in [
        // PHP encodes an empty object as an array.
        (r#"{"message":"No.","errors":[]}"#, r#"{"message":"No."}"#),
        (r#"{"message":"No.","errors":null}"#, r#"{"message":"No."}"#),
        ("\u{feff}{\"message\":\"No.\"}", r#"{"message":"No."}"#),
        (
            "\u{feff}{\"errors\":{\"first_name\":[\"Too short.\"]}}",
            r#"{"message":"Too short.","errors":{"first_name":["Too short."]}}"#,
        ),
        // The order is independent of the features of `serde_json`.
        (
            r#"{"message":"No.","errors":{"tags":["x"],"company":["y"]}}"#,
            r#"{"message":"No.","errors":{"company":["y"],"tags":["x"]}}"#,
        ),
    ] {
        let script = Script::new([
            (BY_EMAIL, respond(200, NO_PROFILES)),
            (CREATE, respond(422, body)),
        ]);
        let response = script.sign_up(CommsPolicy::new(), OPT_OUT).await;
        assert_eq!(response.status(), 422);
        assert_eq!(response.body(), wanted, "{body}");
    }
}
