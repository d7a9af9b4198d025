use super::*;

#[track_caller]
fn check(policy: &AccessPolicy, cases: &[(&str, &str, bool)]) {
    for (method, path, expected) in cases {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(policy.permits(&method, path), *expected, "{method} {path}");
    }
}

fn no_deletion() -> AccessPolicy {
    AccessPolicy::allow_all()
        .deny("DELETE", "/")
        .and_then(|policy| policy.deny("*", "/purge"))
        .unwrap()
}

fn only_lists() -> AccessPolicy {
    AccessPolicy::deny_all()
        .allow("GET, HEAD", "/")
        .and_then(|policy| policy.allow("GET,POST", "/lists/**"))
        .and_then(|policy| policy.deny("*", "/lists/*/secret"))
        .unwrap()
}

#[test]
fn what_is_not_denied_is_allowed() {
    check(
        &no_deletion(),
        &[
            ("DELETE", "/", false),
            ("DELETE", "", false),
            ("GET", "/", true),
            ("DELETE", "/addresses/7", true),
            ("DELETE", "/purge", false),
            ("POST", "/purge", false),
            ("SEARCH", "/purge", false),
            ("POST", "/purged", true),
            ("POST", "/x/purge", true),
        ],
    );
}

#[test]
fn what_is_not_allowed_is_denied() {
    check(
        &only_lists(),
        &[
            ("GET", "/", true),
            ("HEAD", "/", true),
            ("PUT", "/", false),
            ("GET", "/lists", true),
            ("HEAD", "/lists/7", true),
            ("POST", "/lists/7/items", true),
            ("DELETE", "/lists/7", false),
            ("GET", "/balances", false),
            ("SEARCH", "/lists", false),
            ("GET", "/lists/7/secret", false),
        ],
    );
}

#[test]
fn every_spelling_of_a_denied_path_is_denied() {
    for path in [
        "/purge",
        "/purge/",
        "//purge",
        "/p%75rge",
        "/%70%75%72%67%65",
        "/p%2575rge",
        "/p%252575rge",
        "/PURGE",
        "/Purge/",
        "/%50URGE",
        "/purge%20",
        "/%20purge",
    ] {
        assert!(!no_deletion().permits(&Method::POST, path), "{path}");
    }
    check(
        &no_deletion(),
        &[("delete", "/", false), ("Delete", "/", false)],
    );
}

#[test]
fn an_allowed_path_is_allowed_as_the_tenant_reads_it_and_in_no_other_spelling() {
    check(
        &only_lists(),
        &[
            ("GET", "/l%69sts/7", true),
            ("GET", "/lists/caf%C3%A9", true),
            ("GET", "/l%2569sts/7", false),
            ("GET", "/LISTS/7", false),
            ("GET", "/lists%20/7", false),
            ("get", "/lists", false),
        ],
    );
}

#[test]
fn a_denial_wins_in_any_order() {
    let first = AccessPolicy::deny_all()
        .deny("GET", "/lists/x")
        .and_then(|policy| policy.allow("*", "/**"));
    let last = AccessPolicy::deny_all()
        .allow("*", "/**")
        .and_then(|policy| policy.deny("GET", "/lists/x"));
    for policy in [first.unwrap(), last.unwrap()] {
        check(
            &policy,
            &[
                ("GET", "/lists/x", false),
                ("HEAD", "/lists/x", false),
                ("PUT", "/lists/x", true),
            ],
        );
    }
}

#[test]
fn get_includes_head_and_head_includes_nothing() {
    let policy = AccessPolicy::deny_all()
        .allow("HEAD", "/")
        .and_then(|policy| policy.allow("GET", "/lists"))
        .and_then(|policy| policy.allow("POST,HEAD", "/carts"))
        .unwrap();
    check(
        &policy,
        &[
            ("HEAD", "/", true),
            ("GET", "/", false),
            ("GET", "/lists", true),
            ("HEAD", "/lists", true),
            ("HEAD", "/carts", true),
            ("POST", "/carts", true),
            ("GET", "/carts", false),
        ],
    );
    assert_eq!(policy.allow_header("/"), "HEAD, OPTIONS");
    assert_eq!(policy.allow_header("/lists"), "GET, HEAD, OPTIONS");

    let policy = AccessPolicy::allow_all()
        .deny("HEAD", "/")
        .and_then(|policy| policy.deny("GET", "/lists"))
        .unwrap();
    check(
        &policy,
        &[
            ("HEAD", "/", false),
            ("head", "/", false),
            ("GET", "/", true),
            ("GET", "/lists", false),
            ("HEAD", "/lists", false),
            ("head", "/lists", false),
            ("PUT", "/lists", true),
        ],
    );
}

#[test]
fn a_slash_at_the_end_does_not_count() {
    for (path, pattern) in [
        ("/lists", "/lists/"),
        ("/lists/", "/lists"),
        ("/lists//", "/lists/**"),
        ("/", "/"),
        ("", "/"),
    ] {
        let policy = AccessPolicy::deny_all().allow("GET", pattern).unwrap();
        check(&policy, &[("GET", path, true), ("PUT", path, false)]);
    }
}

#[test]
fn a_path_that_is_never_sent_on_is_not_permitted() {
    check(
        &AccessPolicy::allow_all(),
        &[
            ("GET", "/../x", false),
            ("GET", "/a%2fb", false),
            ("GET", "x", false),
            ("GET", "/x", true),
        ],
    );
}

#[test]
fn a_refusal_says_what_would_be_right() {
    let method = |allow: &str| {
        Err(AccessRefusal::Method {
            allow: allow.into(),
        })
    };
    let policy = no_deletion();
    assert_eq!(
        policy.check(&Method::DELETE, ""),
        method("GET, HEAD, POST, PUT, PATCH, OPTIONS")
    );
    assert_eq!(
        policy.check(&Method::POST, "/purge"),
        Err(AccessRefusal::Path)
    );
    assert_eq!(
        only_lists().check(&Method::PUT, "/lists/7"),
        method("GET, HEAD, POST, OPTIONS")
    );
    assert_eq!(only_lists().allow_header("/balances"), "OPTIONS");
}

#[test]
fn it_is_known_where_every_method_is_permitted() {
    for (path, expected) in [
        ("/", false),
        ("/purge", false),
        ("/PURGE/", false),
        ("/lists", true),
    ] {
        assert_eq!(no_deletion().permits_every_method(path), expected, "{path}");
    }
    let policy = AccessPolicy::deny_all().allow("*", "/lists").unwrap();
    let policy = policy.allow("GET, POST, PUT, PATCH, DELETE", "/x").unwrap();
    assert!(policy.permits_every_method("/lists"));
    assert!(
        !policy.permits_every_method("/x"),
        "a tenant may know more methods than five"
    );
}

#[test]
fn rules_that_would_do_nothing_are_errors() {
    for (methods, path) in [
        ("", "/"),
        ("delete", "/"),
        ("GET POST", "/"),
        ("GET,", "/"),
        ("*,GET", "/"),
        ("GET", "purge"),
        ("GET", "/profiles/me/purge"),
    ] {
        let error = AccessPolicy::deny_all().deny(methods, path).unwrap_err();
        assert_eq!(
            error.kind(),
            ConfigErrorKind::InvalidAccessRule,
            "{methods} {path}"
        );
    }
    assert!(AccessPolicy::allow_all().allow("GET", "/").is_err());
}
