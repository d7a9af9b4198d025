//! Fields that a policy does not allow are refused by name, and never reach the tenant.

use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Either};
use omneo_id::path::AccessRefusal;
use omneo_id::sandbox::Sandbox;
use omneo_id::{AccessPolicy, MeRewriteLayer, Rejection, RejectionKind};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};

use super::{FORM, JSON, Read, chunks, post, send};
use crate::laravel::input_names;
use crate::support::{Shop, bearer, collect_text};

/// The docs of the presets.
const PRESETS: &str = include_str!("../../../src/path/access/presets.md");

/// The fields that a person may write at `PUT /`, and the members of `attributes`.
const FIELDS: [&str; 16] = [
    "title",
    "first_name",
    "last_name",
    "email",
    "mobile_phone",
    "secondary_phone",
    "gender",
    "birth_day",
    "birth_month",
    "birth_year",
    "company",
    "occupation",
    "avatar_url",
    "addresses",
    "dates_attributes",
    "attributes",
];
const ATTRIBUTES: [&str; 2] = ["appearance", "comms"];

/// Fields with which a customer would grant themselves value, or claim an identity.
const PRIVILEGED: [&str; 14] = [
    "id",
    "profile_type",
    "identities",
    "tags",
    "reward_balance",
    "point_balance",
    "point_balance_dollars",
    "benefit_balance",
    "combined_balance_dollars",
    "tier_id",
    "joined_at",
    "currency",
    "region_id",
    "custom_attributes",
];

fn storefront() -> Shop {
    Shop::with(|builder| builder.access_policy(AccessPolicy::storefront()))
}

#[test]
fn the_storefront_allows_the_documented_fields_only() {
    let policy = AccessPolicy::storefront();
    let permits = |name: &str| policy.permits_field(&Method::PUT, "/", name);
    let members = ATTRIBUTES.map(|name| format!("attributes.{name}"));
    let expected = [&FIELDS[..15], &[&members[0], &members[1]]].concat();
    let (_, documented) = PRESETS.split_once("may have these fields").unwrap();
    let documented: Vec<&str> = documented.split('`').skip(1).step_by(2).collect();
    assert_eq!(documented, expected);
    for name in expected {
        assert!(permits(name), "{name}");
    }
    let others = [
        "attributes",
        "attributes.custom",
        "_method",
        "comms",
        "appearance",
    ];
    for name in PRIVILEGED.into_iter().chain(others) {
        assert!(!permits(name), "{name}");
    }
    assert!(policy.permits_field(&Method::POST, "/lists", "tags"));
}

#[tokio::test]
async fn an_open_policy_lets_a_customer_write_each_field() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let changes = json!({"identities": [{"handle": "pos", "identifier": "77"}]});
    let response = shop.put("/profiles/me", &token, &changes).await;
    assert_eq!(response.status, StatusCode::OK);
    let response = shop
        .put("/profiles/me?profile_type=pending", &token, &json!({}))
        .await;
    assert_eq!(response.data()["profile_type"], "pending");
}

#[tokio::test]
async fn a_refused_field_is_named_and_nothing_is_sent() {
    let shop = storefront();
    let token = shop.mint_for_ada().await;
    for (query, media, body, name) in [
        (
            "",
            JSON,
            r#"{"identities":[{"handle":"pos"}]}"#,
            "identities",
        ),
        ("", JSON, r#"{"first_name":"A","tags":["vip"]}"#, "tags"),
        ("", JSON, r#"{"tags":1,"tags":2}"#, "tags"),
        (
            "",
            JSON,
            r#"{"first_name":1,"first_name":2,"t\u0061gs":[]}"#,
            "tags",
        ),
        (
            "",
            JSON,
            r#"{"attributes":{"custom":{}}}"#,
            "attributes.custom",
        ),
        ("", JSON, r#"{"attributes":[]}"#, "attributes"),
        ("", JSON, r#"{"Email":"a@b.example"}"#, "Email"),
        ("", JSON, r#"{"_method":"DELETE"}"#, "_method"),
        (
            "",
            "Application/JSON; charset=\"UTF-8\"",
            r#"{"tags":[]}"#,
            "tags",
        ),
        ("", "application/json; x=/json", r#"{"tags":[]}"#, "tags"),
        ("", FORM, "profile_type=pending", "profile_type"),
        (
            "",
            FORM,
            "first_name=A&identities%5B0%5D%5Bhandle%5D=pos",
            "identities[0][handle]",
        ),
        ("", FORM, "first_name=A;tags=vip", "tags"),
        ("", FORM, "+profile.type=x", " profile.type"),
        ("", FORM, "_method=DELETE", "_method"),
        ("?tags[]=vip", JSON, "{}", "tags[]"),
        ("?tags[]=vip", "", "", "tags[]"),
        (
            "?identities%5B0%5D%5Bhandle%5D=x",
            JSON,
            "{}",
            "identities[0][handle]",
        ),
        (
            "?first_name=A&profile.type=pending",
            JSON,
            "{}",
            "profile.type",
        ),
        (
            "?first_name=A&profile%20type=pending",
            JSON,
            "{}",
            "profile type",
        ),
        ("?+tags=vip", JSON, "{}", " tags"),
        ("??tags=vip", JSON, "{}", "?tags"),
        ("?a=1", JSON, "{}", "a"),
    ] {
        let path = format!("/profiles/me{query}");
        let response = send(&shop, &token, "PUT", &path, media, body).await;
        let case = format!("{path} {media} {body}");
        assert_eq!(response.status, StatusCode::FORBIDDEN, "{case}");
        assert_eq!(
            response.rejection,
            Some(RejectionKind::FieldNotAllowed),
            "{case}"
        );
        let message = format!("The field {name} is not allowed here.");
        assert_eq!(response.json()["message"], message, "{case}");
    }
    assert!(shop.sandbox.requests().is_empty());
}

#[tokio::test]
async fn allowed_fields_reach_the_tenant_byte_for_byte() {
    let shop = storefront();
    let token = shop.mint_for_ada().await;
    for (query, media, body) in [
        (
            "",
            JSON,
            "{ \"first_name\" : \"Augusta\",\n \"birth_day\": 10 }",
        ),
        (
            "",
            JSON,
            r#"{"attributes":{"comms":{"email_promo":false},"appearance":{"x":1}}}"#,
        ),
        (
            "",
            JSON,
            r#"{"addresses":[{"address_line_1":"1 A St","tags":1}]}"#,
        ),
        (
            "",
            FORM,
            "first_name=Aug%75sta&attributes[comms][email_promo]=1&",
        ),
        ("?last_name=King&title=", JSON, "{}"),
        ("", JSON, ""),
        ("", "", ""),
    ] {
        let path = format!("/profiles/me{query}");
        let response = send(&shop, &token, "PUT", &path, media, body).await;
        assert_eq!(
            response.status,
            StatusCode::OK,
            "{path} {body}: {:?}",
            response.body
        );
        let sent = shop.sandbox.take_requests().pop().unwrap();
        assert_eq!(sent.body, body.as_bytes());
        assert_eq!(sent.query(), query.strip_prefix('?'));
    }
    let ada = shop.sandbox.profile(Sandbox::ADA_ID).unwrap();
    assert_eq!(ada["first_name"], "Augusta");
    assert_eq!(ada["last_name"], "King");
}

#[tokio::test]
async fn content_that_cannot_be_checked_is_refused() {
    let shop = storefront();
    let token = shop.mint_for_ada().await;
    let big = format!(r#"{{"first_name":"{}"}}"#, "x".repeat(70_000));
    let multipart = "--b\r\ncontent-disposition: form-data; name=tags\r\n\r\nx\r\n--b--\r\n";
    for (media, body, status) in [
        ("multipart/form-data; boundary=b", multipart, 415),
        ("text/json", r#"{"tags":[]}"#, 415),
        ("application/vnd.api+json", r#"{"tags":[]}"#, 415),
        ("application/json; charset=utf-16", r#"{"tags":[]}"#, 415),
        ("application/json, text/plain", r#"{"tags":[]}"#, 415),
        (
            "application/x-www-form-urlencoded; x=/json",
            r#"{"tags":[]}"#,
            415,
        ),
        ("application/x-www-form-urlencoded-x", "tags=1", 415),
        ("text/plain", "tags=1", 415),
        ("", r#"{"tags":[]}"#, 415),
        (JSON, "[]", 400),
        (JSON, "null", 400),
        (JSON, r#"{"tags":[]"#, 400),
        (JSON, "\u{feff}{\"tags\":[]}", 400),
        (JSON, &big, 413),
    ] {
        let response = send(&shop, &token, "PUT", "/profiles/me", media, body.to_owned()).await;
        assert_eq!(
            response.status.as_u16(),
            status,
            "{media} {}",
            &body[..body.len().min(60)]
        );
    }
    for (name, value) in [("content-encoding", "gzip"), ("content-type", FORM)] {
        let request = Request::put("/profiles/me")
            .header(header::AUTHORIZATION, bearer(&token))
            .header(header::CONTENT_TYPE, JSON)
            .header(name, value);
        let response = shop.send(request, "{}").await;
        assert_eq!(
            response.status,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{name}"
        );
    }
    assert!(shop.sandbox.requests().is_empty());
}

#[tokio::test]
async fn a_method_override_does_not_avoid_a_limit() {
    let policy = AccessPolicy::allow_all()
        .allow_fields("PUT", "/", ["first_name"])
        .unwrap();
    let shop = Shop::with(|builder| builder.access_policy(policy));
    let token = shop.mint_for_ada().await;
    for (path, media, body) in [
        ("/profiles/me", JSON, r#"{"_method":"PUT","tags":["vip"]}"#),
        ("/profiles/me", FORM, "_method=PUT&tags[]=vip"),
        ("/profiles/me?_method=PUT", JSON, r#"{"tags":["vip"]}"#),
    ] {
        let response = send(&shop, &token, "POST", path, media, body).await;
        assert_eq!(
            response.status,
            StatusCode::BAD_REQUEST,
            "{path} {media} {body}"
        );
    }
    assert!(shop.sandbox.requests().is_empty());
}

// --- the layer alone
// ------------------------------------------------------------------------------

/// Returns whether the layer has read the body.
async fn is_read(
    request: Request<Read>,
) -> Result<http::Response<String>, std::convert::Infallible> {
    let is_read = matches!(request.body(), Either::Right(_));
    let body = request.into_body().collect().await.unwrap().to_bytes();
    Ok(http::Response::new(format!("{is_read} {}", body.len())))
}

#[tokio::test]
async fn only_content_with_a_limit_is_read() {
    let policy = AccessPolicy::allow_all()
        .allow_fields("PUT", "/notes/*", ["text"])
        .unwrap();
    let layer = MeRewriteLayer::new().with_access_policy(policy);
    for (method, path, expected) in [
        ("PUT", "/profiles/me/notes/7", "true 11"),
        ("POST", "/profiles/me/notes/7", "true 11"),
        ("PATCH", "/profiles/me/notes/7", "false 11"),
        ("PUT", "/profiles/me/notes", "false 11"),
        ("POST", "/profiles/me/notes", "false 11"),
        ("PUT", "/elsewhere", "false 11"),
    ] {
        let mut request = post(path, JSON, chunks(&["{\"text\"", ":12}"]));
        *request.method_mut() = method.parse().unwrap();
        let service = layer.layer(service_fn(is_read));
        let response = collect_text(service.oneshot(request).await.unwrap()).await;
        assert_eq!(response.body(), expected, "{method} {path}");
    }
}

#[tokio::test]
async fn the_cause_of_a_refused_field_is_without_its_name() {
    let policy = AccessPolicy::allow_all()
        .allow_fields("PUT", "/", ["a"])
        .unwrap();
    let service = MeRewriteLayer::new()
        .with_access_policy(policy)
        .layer(service_fn(is_read));
    let mut request = post("/profiles/me", JSON, chunks(&["{\"ada@example.com\":1}"]));
    *request.method_mut() = Method::PUT;
    let response = service.oneshot(request).await.unwrap();
    let rejection = response.extensions().get::<Rejection>().unwrap();
    let cause = std::error::Error::source(rejection).unwrap();
    assert_eq!(cause.downcast_ref(), Some(&AccessRefusal::Field));
    let shown = format!("{rejection:?} {rejection} {cause}");
    assert!(!shown.contains("ada@"), "{shown}");
}

// --- every form in which PHP reads a field
// ---------------------------------------------------------

fn spelled_name() -> impl Strategy<Value = String> {
    let before = select(
        &[
            "", "", "", "", "+", "%20", "?", "%3f", "&", "\t", "%00", ";", "[",
        ][..],
    );
    let names = ["attributes", "first_name", "addresses", "a", "_method", ""];
    let name = select([&names[..], &PRIVILEGED, &FIELDS].concat());
    let spell = prop_oneof![
        4 => Just((|name: &str| name.to_owned()) as fn(&str) -> String),
        1 => Just((|name: &str| name.replace('_', ".")) as fn(&str) -> String),
        1 => Just((|name: &str| name.replace('_', "+")) as fn(&str) -> String),
        1 => Just((|name: &str| name.replace('_', "%5b")) as fn(&str) -> String),
        1 => Just((|name: &str| name.replace('t', "%74")) as fn(&str) -> String),
        1 => Just((|name: &str| name.to_uppercase()) as fn(&str) -> String),
    ];
    let after = select(
        &[
            "",
            "",
            "",
            "[]",
            "[0][handle]",
            "%5B0%5D",
            "[comms]",
            "[comms][x]",
            "[custom]",
            "[+comms]",
            "[%09custom]",
            "[comms",
            "[comms]x",
            "%00",
            "%00[comms]",
            ".comms",
            "][x]",
            "[comms][[x]]",
            "]",
            "%2500",
            "\u{e9}",
        ][..],
    );
    let spelled = (before, name, spell, after)
        .prop_map(|(before, name, spell, after)| [before, &spell(name), after].concat());
    let plain = select(&FIELDS[..15]).prop_map(str::to_owned);
    prop_oneof![2 => spelled, 3 => plain]
}

fn form() -> impl Strategy<Value = String> {
    let value = select(&["", "1", "a;tags=1", "a%26tags=1", "=tags", "?tags=1"][..]);
    let separator = select(&["&", "&", "&", ";", "&&", "%26"][..]);
    let pair = (spelled_name(), value, separator);
    let pair = pair.prop_map(|(name, value, separator)| format!("{name}={value}{separator}"));
    prop::collection::vec(pair, 0..3).prop_map(|pairs| pairs.concat())
}

fn json_text() -> impl Strategy<Value = String> {
    let names = [
        "attributes",
        "attributes",
        "attributes.comms",
        "tags[]",
        " tags",
        "Tags",
        "",
    ];
    let escaped = [
        "t\\u0061gs",
        "\\ttags",
        "tags\\u0000",
        "\\u0000tags",
        "\\ud800",
    ];
    let name = select([&names[..], &escaped, &PRIVILEGED, &FIELDS, &FIELDS, &FIELDS].concat());
    let value = select(
        &[
            "1",
            "null",
            "[]",
            "{}",
            "\"x\"",
            "{\"comms\":{\"tags\":1}}",
            "{\"comms\":1,\"custom\":1}",
            "{\"custom\":1}",
            "{\"comms\":1}",
            "[{\"custom\":1}]",
            "1e999",
            "{\"comms\":1",
        ][..],
    );
    let member = (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}"));
    let members = prop::collection::vec(member, 0..4).prop_map(|members| members.join(","));
    let before = select(
        &[
            "{",
            "{",
            "{",
            "{",
            "{",
            " {",
            "\u{feff}{",
            "[{",
            "{,",
            "\0{",
        ][..],
    );
    let after = select(
        &[
            "}",
            "}",
            "}",
            "}",
            "}",
            "}\n",
            "}]",
            "",
            "} {\"tags\":1}",
            "}&tags=1",
        ][..],
    );
    (before, members, after).prop_map(|(before, members, after)| [before, &members, after].concat())
}

fn media() -> impl Strategy<Value = &'static str> {
    select(
        &[
            JSON,
            JSON,
            JSON,
            FORM,
            FORM,
            FORM,
            "application/json; charset=utf-8",
            "application/json;charset=utf-7",
            "application/json; boundary=x",
            "application/json, application/x-www-form-urlencoded",
            "application/x-www-form-urlencoded, application/json",
            "application/x-www-form-urlencoded; charset=utf-8",
            "application/x-www-form-urlencoded; a=application/json",
            "application/x-www-form-urlencoded+json",
            "application/x-www-form-urlencodedx",
            "text/json",
            "text/plain",
            "application/ld+json",
            "multipart/form-data; boundary=b",
            "",
        ][..],
    )
}

fn multipart() -> impl Strategy<Value = String> {
    spelled_name().prop_map(|name| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\nx\r\n--b--\r\n")
    })
}

#[test]
fn no_disallowed_field_reaches_the_tenant_in_any_form_that_php_reads() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let shop = storefront();
    let token = runtime.block_on(shop.mint_for_ada());
    let body = prop_oneof![4 => json_text(), 4 => form(), 1 => multipart()];
    let content = prop_oneof![
        3 => (Just(JSON), json_text()),
        3 => (Just(FORM), form()),
        3 => (media(), body),
        1 => (media(), Just(String::new())),
    ];
    let query = prop_oneof![3 => Just(String::new()), 1 => form()];
    let method = select(&["PUT", "PUT", "PUT", "PUT", "PUT", "POST", "PATCH"][..]);
    let path = select(&["/profiles/me", "/profiles/me", "//profiles//me/"][..]);
    let requests = (method, path, query, content);
    let forwarded = std::cell::Cell::new((0, 0));
    let config = Config {
        cases: 6000,
        max_global_rejects: u32::MAX,
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&requests, |(method, path, query, (media, body))| {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{path}?{query}"))
            .header(header::AUTHORIZATION, bearer(&token));
        if request.uri_ref().is_none() {
            return Err(TestCaseError::reject("not a target"));
        }
        if !media.is_empty() {
            request = request.header(header::CONTENT_TYPE, media);
        }
        let response = runtime.block_on(shop.send(request, body));
        prop_assert!(response.status.as_u16() < 500, "{}", response.status);
        for sent in shop.sandbox.take_requests() {
            prop_assert_eq!(&sent.method, &Method::PUT);
            let names = input_names(&sent);
            for (field, member) in &names {
                prop_assert!(FIELDS.contains(&field.as_str()), "{field} {names:?}");
                let is_allowed = field != "attributes"
                    || member
                        .as_ref()
                        .is_some_and(|name| ATTRIBUTES.contains(&name.as_str()));
                prop_assert!(is_allowed, "{field} {member:?}");
            }
            let (all, named) = forwarded.get();
            forwarded.set((all + 1, named + usize::from(!names.is_empty())));
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let (all, named) = forwarded.get();
    assert!(
        all > 200 && named > 100,
        "only {all} requests were forwarded, {named} with fields"
    );
}
