//! The body of a mint: anonymous, with an id, or invalid.

use super::*;

#[tokio::test]
async fn a_body_with_other_members_but_no_id_is_rejected() {
    for body in [
        json!({ "profile_id": PID }),
        json!({ "pid": PID, "exp": 9 }),
        json!({ "ID": PID }),
        json!({ "data": { "id": PID } }),
        json!({ "": null }),
    ] {
        let tenant = Tenant::respond_with(200, "");
        let (status, json, _) = send(tenant.endpoint(), post(body.to_string())).await;
        assert_eq!(status, 422, "{body}");
        let errors = json["errors"].as_object().unwrap();
        assert_eq!(errors.keys().collect::<Vec<_>>(), ["id"]);
        assert!(errors["id"][0].as_str().unwrap().contains("id_handle"));
        assert!(!json.to_string().contains(PID), "{json}");
        assert!(tenant.received().is_empty());
    }
    for body in [
        json!({}),
        json!({ "id": null }),
        json!({ "id": "" }),
        json!({ "id": " \u{a0}\t" }),
        json!({ "id_handle": "shopify" }),
        json!({ "id_handle": null, "shop": "acme" }),
        json!({ "id": "", "profile_id": PID }),
    ] {
        let tenant = Tenant::respond_with(200, "");
        let subject = minted(tenant.endpoint(), &body.to_string()).await;
        assert_eq!(subject, Subject::Anonymous, "{body}");
    }
    let tenant = Tenant::with_profile(PID);
    let body = json!({ "id": PID, "extra": 1 }).to_string();
    assert_eq!(minted(tenant.endpoint(), &body).await, ada());
}

/// Laravel's `TrimStrings` trims every string of a request, so the response is about the trimmed
/// text.
#[tokio::test]
async fn white_space_around_an_id_or_a_handle_is_trimmed() {
    for id in [
        format!(" {PID}"),
        format!("{PID}\n"),
        format!("\t{PID}\r\n"),
        format!("\u{feff}{PID}\u{200b}"),
        format!("\u{a0}{PID}\u{3000}"),
    ] {
        for handle in [
            None,
            Some(""),
            Some(" "),
            Some("profile_id "),
            Some("profile_id"),
        ] {
            let tenant = Tenant::with_profile(PID);
            let body = json!({ "id": id, "id_handle": handle }).to_string();
            assert_eq!(minted(tenant.endpoint(), &body).await, ada(), "{body}");
            assert_eq!(
                tenant.received()[0].body,
                json!({ "type": "profile_id", "id": PID })
            );
        }
    }
    let tenant = Tenant::with_profile(PID);
    let body = json!({ "id": " a b\n", "id_handle": "\tshopify " }).to_string();
    assert_eq!(minted(tenant.endpoint(), &body).await, ada());
    assert_eq!(
        tenant.received()[0].body,
        json!({ "type": "shopify", "id": "a b" })
    );
    for inner in ["a\nb", "a\u{0}", "\u{7f}a"] {
        let body = json!({ "id": inner }).to_string();
        let (status, json, _) = send(Tenant::with_profile(PID).endpoint(), post(body)).await;
        assert_eq!(status, 422);
        assert!(json["errors"]["id"].is_array(), "{json}");
    }
}

/// The result does not depend on the features of `serde_json` in the build.
#[tokio::test]
async fn an_integer_id_is_used_as_its_json_text() {
    let identity = |id: &str| format!(r#"{{"id":{id},"id_handle":"shopify"}}"#);
    for id in [
        "1042",
        "0",
        "-1",
        "18446744073709551615",
        "-9223372036854775808",
    ] {
        let tenant = Tenant::with_profile(PID);
        assert_eq!(minted(tenant.endpoint(), &identity(id)).await, ada());
        assert_eq!(tenant.received()[0].body["id"], id);
    }
    for id in [
        "-0",
        "1.0",
        "1.5",
        "1e3",
        "1e999",
        "18446744073709551616",
        "-9223372036854775809",
    ] {
        let tenant = Tenant::with_profile(PID);
        let (status, json, _) = send(tenant.endpoint(), post(identity(id))).await;
        assert_eq!(status, 422, "{id}");
        assert_eq!(json["errors"]["id"][0], "The id must be a string.", "{id}");
    }
}
