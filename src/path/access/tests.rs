use super::*;

#[track_caller]
fn check(policy: &AccessPolicy, cases: &[(&str, &str, bool)]) {
    for (method, path, expected) in cases {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(policy.permits(&method, path), *expected, "{method} {path}");
    }
}

fn without_deletion() -> AccessPolicy {
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
fn allow_all_permits_requests_without_a_denial() {
    check(
        &without_deletion(),
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
fn deny_all_permits_only_allowed_requests() {
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
        assert!(!without_deletion().permits(&Method::POST, path), "{path}");
    }
    check(
        &without_deletion(),
        &[("delete", "/", false), ("Delete", "/", false)],
    );
}

#[test]
fn an_allowance_applies_to_the_decoded_path_in_this_spelling_only() {
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
fn a_denial_overrides_an_allowance_in_any_order() {
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
fn get_includes_head_but_head_does_not_include_get() {
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
fn a_trailing_slash_is_ignored() {
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
fn an_ambiguous_path_is_not_permitted() {
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
fn a_refusal_lists_the_permitted_methods() {
    let method = |allow: &str| {
        Err(AccessRefusal::Method {
            allow: allow.into(),
        })
    };
    let policy = without_deletion();
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
fn paths_that_permit_every_method_are_detected() {
    for (path, expected) in [
        ("/", false),
        ("/purge", false),
        ("/PURGE/", false),
        ("/lists", true),
    ] {
        assert_eq!(
            without_deletion().permits_every_method(path),
            expected,
            "{path}"
        );
    }
    let policy = AccessPolicy::deny_all().allow("*", "/lists").unwrap();
    let policy = policy.allow("GET, POST, PUT, PATCH, DELETE", "/x").unwrap();
    assert!(policy.permits_every_method("/lists"));
    assert!(
        !policy.permits_every_method("/x"),
        "a tenant may support more methods than these five"
    );
}

#[test]
fn rules_without_effect_are_errors() {
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
