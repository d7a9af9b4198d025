use super::*;
use crate::error::ConfigErrorKind;

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

fn refusal(policy: &AccessPolicy, method: &Method, remainder: &str) -> Option<AccessRefusal> {
    policy.check(method, remainder).err()
}

#[test]
fn a_refusal_lists_the_permitted_methods() {
    let method = |allow: &str| {
        Some(AccessRefusal::Method {
            allow: allow.into(),
        })
    };
    let policy = without_deletion();
    assert_eq!(
        refusal(&policy, &Method::DELETE, ""),
        method("GET, HEAD, POST, PUT, PATCH, OPTIONS")
    );
    assert_eq!(
        refusal(&policy, &Method::POST, "/purge"),
        Some(AccessRefusal::Path)
    );
    assert_eq!(
        refusal(&only_lists(), &Method::PUT, "/lists/7"),
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
            without_deletion().is_unrestricted(&decoded_forms(path)),
            expected,
            "{path}"
        );
    }
    let policy = AccessPolicy::deny_all().allow("*", "/lists").unwrap();
    let policy = policy.allow("GET, POST, PUT, PATCH, DELETE", "/x").unwrap();
    assert!(policy.is_unrestricted(&decoded_forms("/lists")));
    assert!(
        !policy.is_unrestricted(&decoded_forms("/x")),
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

#[track_caller]
fn check_fields(policy: &AccessPolicy, cases: &[(&str, &str, &str, bool)]) {
    for (method, path, name, expected) in cases {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let permitted = policy.permits_field(&method, path, name);
        assert_eq!(permitted, *expected, "{method} {path} {name}");
    }
}

#[test]
fn a_limit_applies_to_its_methods_and_paths_in_every_spelling() {
    let policy = AccessPolicy::allow_all()
        .allow_fields("PUT", "/notes/*", ["text"])
        .unwrap();
    check_fields(
        &policy,
        &[
            ("PUT", "/notes/7", "text", true),
            ("PUT", "/notes/7", "tags", false),
            ("put", "/notes/7", "tags", false),
            ("PUT", "/n%6ftes/7", "text", true),
            ("PUT", "/n%6ftes/7", "tags", false),
            ("PUT", "/n%256ftes/7", "tags", false),
            ("PUT", "//notes//7/", "tags", false),
            // As a denial, a limit applies to a similar path, on which no field is allowed.
            ("PUT", "/NOTES/7", "text", false),
            ("PUT", "/notes%20/7", "text", false),
            ("POST", "/notes/7", "tags", true),
            ("GET", "/notes/7", "tags", true),
            ("PUT", "/notes", "tags", true),
        ],
    );
}

#[test]
fn the_fields_of_several_limits_are_allowed() {
    let policy = AccessPolicy::deny_all()
        .allow("*", "/**")
        .and_then(|policy| policy.allow_fields("*", "/**", ["a", "attributes.comms"]))
        .and_then(|policy| policy.allow_fields("PUT, PATCH", "/", ["b"]))
        .unwrap();
    check_fields(
        &policy,
        &[
            ("PUT", "/", "a", true),
            ("PUT", "/", "b", true),
            ("PATCH", "", "b", true),
            ("POST", "/", "b", false),
            ("POST", "/x", "a", true),
            ("POST", "/x", "b", false),
            ("PURGE", "/", "b", false),
            ("PUT", "/", "attributes.comms", true),
            ("PUT", "/", "attributes.tags", false),
            ("PUT", "/", "attributes", false),
            ("HEAD", "/", "c", true),
        ],
    );
}

#[test]
fn a_limit_does_not_allow_a_method() {
    let policy = AccessPolicy::deny_all()
        .allow("GET", "/")
        .and_then(|policy| policy.allow_fields("PUT", "/", ["a"]))
        .unwrap();
    check_fields(
        &policy,
        &[("PUT", "/", "a", false), ("GET", "/", "a", true)],
    );
}

#[test]
fn a_method_must_not_be_overridden_on_a_path_with_a_limit() {
    let policy = AccessPolicy::allow_all()
        .allow_fields("PUT", "/notes", ["a"])
        .unwrap();
    let keeps_method = |method, path| policy.check(&method, path).unwrap().keeps_method;
    assert!(keeps_method(Method::POST, "/notes"));
    assert!(keeps_method(Method::POST, "/Notes"));
    assert!(!keeps_method(Method::PUT, "/notes"));
    assert!(!keeps_method(Method::POST, "/lists"));
}
