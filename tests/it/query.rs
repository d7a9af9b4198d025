//! Rejected queries, compared with the way in which PHP servers parse them.

use http::{Method, Request, StatusCode, header};
use omneo_id::path::{QueryRefusal, check_query};
use omneo_id::sandbox::Sandbox;
use omneo_id::{AccessPolicy, RejectionKind};

use crate::naive::query_pairs;
use crate::support::{Shop, bearer};

/// One reading: the server, what follows the first `?` of the target, and the names that the
/// application sees.
type Reading = (&'static str, &'static str, &'static [&'static str]);

/// How PHP servers split a query. Sources: `php -S` and `php-cgi` 8.2 as measured; Apache's
/// `r->args`, nginx's `$query_string` and Go's `URL.RawQuery`, which contain everything after the
/// first `?`; the parser of `php -S` and Swoole, which skips further `?` at the start of a query
/// (`s_req_query_string_start`). All of them pass the result to PHP's `php_default_treat_data`:
/// pairs end at `&`, a name is decoded once, its leading spaces are skipped, NUL ends it, `.` and
/// space become `_`.
const READINGS: &[Reading] = &[
    ("mod_php", "identity[a]=1", &["identity"]),
    ("mod_php", "?identity[a]=1", &["?identity"]),
    ("mod_php", "a=1&+identity[a]=1", &["a", "identity"]),
    ("mod_php", "&&identity[a]=1", &["identity"]),
    ("php-fpm", "identity%5Ba%5D=1", &["identity"]),
    ("php-fpm", "?identity[a]=1", &["?identity"]),
    ("php-fpm", "%20identity[a]=1", &["identity"]),
    ("php-fpm", "%09identity[a]=1", &["\tidentity"]),
    ("php-fpm", "%3fidentity[a]=1", &["?identity"]),
    ("php-fpm", "a=1&?identity[a]=1", &["a", "?identity"]),
    ("php-fpm", "%00identity[a]=1", &[]),
    ("php-fpm", "identity%00[a]=1", &["identity"]),
    ("php-fpm", "identity", &["identity"]),
    ("php-fpm", "identity[a", &["identity_a"]),
    ("php-fpm", "identity.a=1", &["identity_a"]),
    ("php-fpm", ".method=PUT", &["_method"]),
    ("php-fpm", "a=1%26identity[a]=1", &["a"]),
    ("php-fpm", "a=1;identity[a]=1", &["a"]),
    (
        "php-fpm, arg_separator.input=&;",
        "a=1;identity[a]=1",
        &["a", "identity"],
    ),
    ("php -S", "identity[a]=1", &["identity"]),
    ("php -S", "?identity[a]=1", &["identity"]),
    ("php -S", "??identity[a]=1", &["identity"]),
    ("php -S", "?+identity[a]=1", &["identity"]),
    ("php -S", "?&identity[a]=1", &["identity"]),
    ("php -S", "+?identity[a]=1", &["?identity"]),
    ("php -S", "a=1&?identity[a]=1", &["a", "?identity"]),
    ("php -S", "a?identity[a]=1", &["a?identity"]),
    ("php -S", "?_method=DELETE", &["_method"]),
    ("php -S", "?%20.method=DELETE", &["_method"]),
    ("Swoole", "?identity[a]=1", &["identity"]),
    ("Swoole", "??identity[a]=1", &["identity"]),
    ("Swoole", "?_method=DELETE", &["_method"]),
    ("Swoole", "a=1&identity[a]=1", &["a", "identity"]),
    ("RoadRunner", "?identity[a]=1", &["?identity"]),
    ("RoadRunner", "a=1&%20identity[a]=1", &["a", "identity"]),
    ("FrankenPHP", "?identity[a]=1", &["?identity"]),
    ("FrankenPHP", "+_method=DELETE", &["_method"]),
];

/// Prefixes that some parsers skip before a name.
const PREFIXES: &[&str] = &[
    "",
    "?",
    "??",
    "???",
    "&",
    "&&?",
    "+",
    "%20",
    "%09",
    "%0a",
    "%0b",
    "%0c",
    "%0d",
    "%0D",
    "%3f",
    "%3F",
    "?+",
    "+?",
    "?%20?",
    "%3f%3f+",
    "a=1&?",
    "a=1&%3f%09",
    "a&+%0A",
    "?a=1&&??",
    ";",
    "a;?",
];

#[test]
fn the_naive_parser_finds_each_name_that_a_server_finds() {
    for (server, query, names) in READINGS {
        let pairs = query_pairs(query.as_bytes());
        for name in *names {
            // The naive parser skips more before a name than PHP.
            let name = name.trim_start_matches(['?', '\t']);
            assert!(
                pairs.iter().any(|(naive, _)| naive == name),
                "{server} ?{query} {name}: {pairs:?}"
            );
        }
    }
}

#[test]
fn a_query_is_rejected_if_any_server_parses_an_identity_or_another_method() {
    for (server, query, names) in READINGS {
        if names.contains(&"identity") {
            let refused = check_query(query, &Method::GET);
            assert_eq!(refused, Err(QueryRefusal::Identity), "{server} ?{query}");
        }
        if names.contains(&"_method") {
            let refused = check_query(query, &Method::POST);
            assert_eq!(
                refused,
                Err(QueryRefusal::MethodOverride),
                "{server} ?{query}"
            );
        }
    }
}

#[tokio::test]
async fn a_parameter_is_rejected_behind_every_prefix() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    for prefix in PREFIXES {
        for (method, parameter) in [
            (Method::GET, "identity[shopify]=1"),
            (Method::HEAD, "identity=1"),
            (Method::POST, "_method=DELETE"),
            (Method::DELETE, "%5fmethod=PUT"),
            (Method::POST, ".method=DELETE"),
        ] {
            let uri = format!("/profiles/me?{prefix}{parameter}");
            let request = Request::builder().method(method).uri(&uri);
            let request = request.header(header::AUTHORIZATION, bearer(&token));
            let response = shop.send(request, "").await;
            assert_eq!(response.status, StatusCode::BAD_REQUEST, "{uri}");
            assert_eq!(
                response.rejection,
                Some(RejectionKind::QueryRefused),
                "{uri}"
            );
        }
    }
    assert!(shop.sandbox.requests().is_empty());
}

#[tokio::test]
async fn a_method_override_is_rejected_behind_every_prefix() {
    let policy = AccessPolicy::allow_all().deny("DELETE", "/").unwrap();
    let shop = Shop::with(|builder| builder.access_policy(policy));
    let token = shop.mint_for_ada().await;
    for prefix in PREFIXES {
        let override_by_query = format!("/profiles/me?{prefix}_method=DELETE");
        let override_by_form = format!("{prefix}_method=DELETE");
        for (uri, form) in [
            (&*override_by_query, ""),
            (&*override_by_query, "a=1"),
            ("/profiles/me", &*override_by_form),
            ("/profiles/me/", &*override_by_form),
        ] {
            let request = Request::post(uri)
                .header(header::AUTHORIZATION, bearer(&token))
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            let response = shop.send(request, form.to_owned()).await;
            assert_eq!(response.status, StatusCode::BAD_REQUEST, "{uri} {form}");
        }
    }
    for form in [
        "\t_method=DELETE",
        "a=1&\r\n_method=DELETE",
        "\0_method=DELETE",
    ] {
        let request = Request::post("/profiles/me")
            .header(header::AUTHORIZATION, bearer(&token))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let response = shop.send(request, form).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{form:?}");
    }
    assert!(shop.sandbox.requests().is_empty());
    assert!(shop.sandbox.profile(Sandbox::ADA_ID).is_some());
}

#[tokio::test]
async fn command_lines_are_rejected_and_searches_are_forwarded() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    for query in [
        "--env=x",
        "?--env=x",
        "??--env=x",
        "?+--env=x",
        "%3f--env=x",
        "&--env=x",
        "+--env",
        "a=1+--env=local",
        "a+b+--no-debug",
        "-d+x",
        "?-d+x",
        "+-d+x",
        "%20%09-d+x",
        "?%2dd+x",
        "?%ADd+x",
    ] {
        let response = shop.get(&format!("/profiles/me?{query}"), &token).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "?{query}");
    }
    assert!(shop.sandbox.requests().is_empty());
    for query in [
        "q=a+--",
        "q=a+--+b",
        "q=a+---b",
        "q=--",
        "q=a+-b",
        "q=a+%2d-b",
        "q=is+it%3f+--",
        "q=a%20--b",
        "?q=what",
        "q=a?identity=1",
        "a=1&b=?_method",
    ] {
        let response = shop.get(&format!("/profiles/me?{query}"), &token).await;
        assert_eq!(response.status, StatusCode::OK, "?{query}");
        let forwarded = shop.sandbox.take_requests().pop().unwrap();
        assert_eq!(forwarded.query(), Some(query), "unchanged");
    }
}
