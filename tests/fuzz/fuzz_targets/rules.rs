//! The pure rules on paths, queries and headers, compared with maximally lenient readers.
//!
//! Input: the first byte selects a method, then lines: path, query, and header lines.

#![no_main]

use std::sync::LazyLock;

use http::header::{AUTHORIZATION, CONNECTION};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;
use omneo_id::Subject;
use omneo_id::headers::{
    Bearer, RequestHeaders, WireProtocol, is_form, is_json, is_unencoded, remove_hop_by_hop,
};
use omneo_id::path::{CanonicalPath, check_query, rewrite_me};
use omneo_id::AccessPolicy;

#[path = "../../it/naive.rs"]
mod naive;

static POLICY: LazyLock<AccessPolicy> = LazyLock::new(|| {
    AccessPolicy::allow_all()
        .deny("*", "/purge")
        .and_then(|policy| policy.deny("DELETE", "/"))
        .unwrap()
});

static LISTS: LazyLock<AccessPolicy> =
    LazyLock::new(|| AccessPolicy::deny_all().allow("GET", "/lists/**").unwrap());

fuzz_target!(|data: &[u8]| {
    let Some((&pick, rest)) = data.split_first() else {
        return;
    };
    let methods = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::HEAD,
    ];
    let method = &methods[usize::from(pick) % methods.len()];
    let mut lines = rest.split(|&byte| byte == b'\n');
    if let Some(Ok(path)) = lines.next().map(std::str::from_utf8) {
        check_path(path, method);
    }
    if let Some(Ok(query)) = lines.next().map(std::str::from_utf8) {
        check_query_rule(query, method);
    }
    check_headers(lines);
});

fn check_path(path: &str, method: &Method) {
    if let Ok(canonical) = CanonicalPath::parse(path) {
        let text = canonical.as_str();
        assert_eq!(
            CanonicalPath::parse(text).unwrap().as_str(),
            text,
            "canonical once is for ever"
        );
        assert!(!text.contains("//"));
        assert!(!text.ends_with('/') || text == "/");
        let below = format!("/api/v3{text}");
        assert!(
            naive::stays_below(below.as_bytes(), &["api", "v3"]),
            "{path}"
        );
    }
    let ada = Subject::Profile("ada-1".parse().unwrap());
    if let Ok(Some(rewritten)) = rewrite_me(path, &ada) {
        assert!(
            naive::stays_below(rewritten.as_bytes(), &["profiles", "ada-1"]),
            "{path}"
        );
        let merged: String = rewritten["/profiles/ada-1".len()..].to_owned();
        assert!(merged.is_empty() || merged.starts_with('/'));
        check_policies(&merged, method);
    }
    assert!(!matches!(
        rewrite_me(path, &Subject::Anonymous),
        Ok(Some(_))
    ));
}

fn check_policies(below: &str, method: &Method) {
    let readings = naive::readings(below.as_bytes());
    if POLICY.permits(method, below) {
        for reading in &readings {
            let purge = matches!(reading.as_slice(), [only] if only.eq_ignore_ascii_case("purge"));
            assert!(!purge, "{below}");
            assert!(!(reading.is_empty() && method == Method::DELETE), "{below}");
        }
    }
    if LISTS.permits(method, below) {
        assert!(matches!(*method, Method::GET | Method::HEAD));
        let last = readings.last().unwrap();
        assert_eq!(last.first().map(String::as_str), Some("lists"), "{below}");
    }
}

/// Asserts that no name in the query makes a PHP server override the path or the method.
fn check_query_rule(query: &str, method: &Method) {
    if check_query(query, method).is_err() {
        return;
    }
    let reading = matches!(*method, Method::GET | Method::HEAD);
    for (name, _) in naive::query_pairs(query.as_bytes()) {
        assert_ne!(name, "identity", "{query}");
        assert!(reading || name != "_method", "{query}");
    }
}

fn check_headers<'a>(lines: impl Iterator<Item = &'a [u8]>) {
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let count = headers.get_all(AUTHORIZATION).iter().count();
    match Bearer::from_headers(&headers) {
        Ok(Some(token)) => {
            assert_eq!(count, 1);
            assert!(!token.as_str().is_empty() && !token.as_str().contains(char::is_whitespace));
        }
        Ok(None) => assert_eq!(count, 0),
        Err(_) => assert!(count > 0),
    }
    let _ = WireProtocol::from_headers(&headers);
    assert!(!(is_json(&headers) && is_form(&headers)));
    let _ = is_unencoded(&headers);

    let nominated: Vec<String> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(|option| String::from_utf8_lossy(option.trim_ascii()).to_ascii_lowercase())
        .collect();
    if remove_hop_by_hop(&mut headers).is_err() {
        return;
    }
    for name in nominated.iter().filter(|name| !name.is_empty()) {
        assert!(!headers.contains_key(name.as_str()), "{name}");
    }
    RequestHeaders::default().retain(&mut headers);
    for name in headers.keys() {
        let name = name.as_str();
        assert!(!name.contains(['_', '.']), "{name}");
        let forbidden = [
            "authorization",
            "cookie",
            "host",
            "te",
            "upgrade",
            "connection",
            "expect",
            "range",
        ];
        assert!(
            !forbidden.contains(&name) && !name.starts_with("x-forwarded"),
            "{name}"
        );
    }
}
