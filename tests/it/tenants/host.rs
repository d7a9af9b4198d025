//! The tenant by host.

use http::{HeaderValue, Request, Uri, Version, header};
use omneo_id::client_info::{ClientInfo, TrustedProxies};
use omneo_id::error::ConfigErrorKind;
use omneo_id::tenants::{RequestHead, TenantByHost, TenantResolver};
use proptest::prelude::*;

use super::{key, resolve};

/// Exact hosts, and a pattern with text on both sides.
fn hosts() -> TenantByHost {
    let hosts = TenantByHost::new()
        .with_pattern("api.{tenant}.Shop.example")
        .unwrap();
    [
        ("acme.example", "acme"),
        ("WWW.acme.example.", "acme"),
        ("api.legacy.shop.example", "modern"),
        ("[2001:DB8::1]", "six"),
        ("127.0.0.1", "local"),
    ]
    .into_iter()
    .fold(hosts, |hosts, (host, tenant)| {
        hosts.add_host(host, key(tenant)).unwrap()
    })
}

/// The tenant of a request with this header.
fn tenant(host: &[u8]) -> Option<String> {
    let host = HeaderValue::from_bytes(host).ok()?;
    resolve(&hosts(), Request::get("/").header(header::HOST, host))
}

#[test]
fn a_host_has_the_tenant_of_its_entry_or_of_the_pattern() {
    for (host, expected) in [
        ("acme.example", "acme"),
        ("acme.example.", "acme"),
        ("ACME.Example:443", "acme"),
        ("acme.example.:8443", "acme"),
        ("acme.example:", "acme"),
        ("www.acme.example", "acme"),
        ("api.brand.shop.example", "brand"),
        ("API.BRAND.SHOP.EXAMPLE:1", "brand"),
        ("api.a-b_c.shop.example", "a-b_c"),
        ("api.legacy.shop.example", "modern"),
        ("[2001:db8::1]", "six"),
        ("[2001:db8::1]:8080", "six"),
        ("127.0.0.1:80", "local"),
    ] {
        assert_eq!(tenant(host.as_bytes()).as_deref(), Some(expected), "{host}");
    }
}

#[test]
fn an_odd_host_has_no_tenant() {
    let long_label = format!("api.{}.shop.example", "a".repeat(64));
    let long = format!("{}.example", "a.".repeat(130));
    for host in [
        "",
        ".",
        "..",
        ":",
        ":80",
        "@",
        "acme",
        "example",
        "shop.example",
        "api.shop.example",
        "api..shop.example",
        ".shop.example",
        "api.a.b.shop.example",
        "x.api.brand.shop.example",
        "api.brand.shop.example.evil.example",
        "api.brand.shop.example..",
        "acme.example..",
        ".acme.example",
        "acme..example",
        "user@acme.example",
        "user:password@acme.example",
        "acme.example@evil.example",
        "acme.example:80:80",
        "acme.example:port",
        "acme.example:-1",
        "acme.example:+80",
        "acme.example:123456",
        "acme.example/",
        "acme.example?",
        "acme.example#",
        "acme.example\\",
        "acme.example, acme.example",
        "acme.example acme.example",
        " acme.example",
        "acme.example ",
        "acme%2eexample",
        "http://acme.example",
        "*",
        "api.{tenant}.shop.example",
        "api.*.shop.example",
        "api.br and.shop.example",
        "api.br%61nd.shop.example",
        "[::1",
        "::1",
        "[]",
        "[acme.example]",
        "[2001:db8::1]x",
        "[2001:db8::1]]",
        "[[2001:db8::1]]",
        "[2001:db8::1].",
        "2001:db8::1",
        "[fe80::1%25eth0]",
        "127.1",
        &long_label,
        &long,
    ] {
        assert_eq!(tenant(host.as_bytes()), None, "{host:?}");
    }
    for host in ["acme.example\u{e9}", "b\u{fc}cher.example"] {
        assert_eq!(tenant(host.as_bytes()), None, "{host:?}");
    }
    assert_eq!(tenant(b"acme.example\xff"), None);
}

#[test]
fn a_request_with_several_hosts_has_no_tenant() {
    let request = |target: &str| Request::get(target).version(Version::HTTP_2);
    let hosts = hosts();
    for (request, expected) in [
        (request("/"), None),
        (request("https://acme.example/"), Some("acme")),
        (request("https://acme.example:8443/x?y"), Some("acme")),
        (request("https://user@acme.example/"), None),
        // The same host in both, in other spellings.
        (
            request("https://acme.example/").header("host", "ACME.example:443"),
            Some("acme"),
        ),
        (
            request("https://acme.example/").header("host", "api.brand.shop.example"),
            None,
        ),
        (request("https://acme.example/").header("host", ""), None),
        (
            request("https://evil.example/").header("host", "acme.example"),
            None,
        ),
        (
            request("/")
                .header("host", "acme.example")
                .header("host", "acme.example"),
            None,
        ),
        (
            request("https://acme.example/")
                .header("host", "a")
                .header("host", "b"),
            None,
        ),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(resolve(&hosts, request).as_deref(), expected, "{shown}");
    }
}

#[test]
fn the_host_that_a_trusted_proxy_reports_precedes_that_of_the_request() {
    let hosts = hosts();
    let client = |host: &'static str| {
        ClientInfo::default().with_host(http::uri::Authority::from_static(host))
    };
    for (client, header, expected) in [
        (
            client("api.brand.shop.example"),
            "acme.example",
            Some("brand"),
        ),
        (
            client("API.brand.shop.example:443"),
            "internal:8080",
            Some("brand"),
        ),
        (client("unknown.example"), "acme.example", None),
        (ClientInfo::default(), "acme.example", Some("acme")),
    ] {
        let request = Request::get("/").header("host", header).extension(client);
        assert_eq!(resolve(&hosts, request).as_deref(), expected);
    }
}

#[test]
fn a_host_of_a_trusted_proxy_that_is_repeated_or_invalid_has_no_tenant() {
    let hosts = hosts();
    let x_forwarded = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
    let forwarded = x_forwarded.clone().with_forwarded();
    let resolve_with = |proxies: &TrustedProxies, peer: [u8; 4], name: &str, values: &[&str]| {
        let mut request = Request::get("/").header("host", "acme.example");
        for value in values {
            request = request.header(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let client = proxies.client(peer.into(), request.headers_ref().unwrap());
        resolve(&hosts, request.extension(client))
    };
    let (proxy, other) = ([10, 0, 0, 1], [192, 0, 2, 1]);
    let brand = "api.brand.shop.example";
    for (values, expected) in [
        (&[][..], Some("acme")),
        (&[brand], Some("brand")),
        (&["acme.example", "acme.example"], None),
        (&["api.brand.shop.example, acme.example"], None),
        (&["api.brand.shop.example,acme.example"], None),
        (&["user@api.brand.shop.example"], None),
        (&["api.brand.shop.example:99999999"], None),
        (&["api.brand.shop.example/x"], None),
        (&["\u{e9}.example"], None),
        (&[""], None),
    ] {
        let name = "x-forwarded-host";
        let found = resolve_with(&x_forwarded, proxy, name, values);
        assert_eq!(found.as_deref(), expected, "{values:?}");
        // Of another peer, and of the header that is not selected, nothing counts.
        for (proxies, peer) in [(&x_forwarded, other), (&forwarded, proxy)] {
            let found = resolve_with(proxies, peer, name, values);
            assert_eq!(found.as_deref(), Some("acme"), "{values:?}");
        }
    }
    for (values, expected) in [
        (&[][..], Some("acme")),
        (&["for=192.0.2.1"], Some("acme")),
        (
            &["for=192.0.2.1;host=api.brand.shop.example"],
            Some("brand"),
        ),
        (&["for=192.0.2.1;host=acme.example;host=acme.example"], None),
        (
            &["for=192.0.2.1;host=\"user@api.brand.shop.example\""],
            None,
        ),
        (&["for=192.0.2.1;host=\"api.brand.shop.example, a\""], None),
        (&["for=192.0.2.1;host=\"\""], None),
        (&["for=192.0.2.1;host="], None),
        (
            &["for=192.0.2.1;host=api.brand.shop.example", "\u{e9}"],
            None,
        ),
    ] {
        let found = resolve_with(&forwarded, proxy, "forwarded", values);
        assert_eq!(found.as_deref(), expected, "{values:?}");
        let found = resolve_with(&forwarded, other, "forwarded", values);
        assert_eq!(found.as_deref(), Some("acme"), "{values:?}");
    }
}

#[test]
fn the_label_of_the_tenant_may_be_at_either_end() {
    for (pattern, host, expected) in [
        ("{tenant}.shop.example", "brand.shop.example", Some("brand")),
        ("{tenant}.shop.example", "shop.example", None),
        ("{tenant}.shop.example", "a.b.shop.example", None),
        ("id.{tenant}", "id.brand", Some("brand")),
        ("id.{tenant}", "id", None),
        ("id.{tenant}", "brand", None),
        ("a.{tenant}.a", "a.a", None),
        ("a.{tenant}.a", "a.a.a", Some("a")),
    ] {
        let hosts = TenantByHost::new().with_pattern(pattern).unwrap();
        let request = Request::get("/").header("host", host);
        assert_eq!(
            resolve(&hosts, request).as_deref(),
            expected,
            "{pattern} {host}"
        );
    }
}

#[test]
fn an_invalid_pattern_or_host_is_a_configuration_error() {
    for pattern in [
        "",
        "shop.example",
        "{tenant}",
        "{tenant}.",
        "{Tenant}.example",
        "x{tenant}.example",
        "{tenant}x.example",
        "{tenant}.{tenant}.example",
        "{tenant}..example",
        ".{tenant}.example",
        "{tenant}.example:443",
        "https://{tenant}.example",
        "{tenant}.example/id",
        "{tenant}.ex ample",
        "[{tenant}]",
        "{tenant}.bücher.example",
    ] {
        let error = TenantByHost::new().with_pattern(pattern).unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::InvalidValue, "{pattern}");
    }
    for host in [
        "",
        "a b",
        "user@acme.example",
        "acme.example/id",
        "*.example",
        "bücher.example",
    ] {
        let error = TenantByHost::new().add_host(host, key("acme")).unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::InvalidValue, "{host}");
    }
}

#[test]
fn a_host_belongs_to_one_tenant() {
    let hosts = hosts().add_host("acme.example:80", key("acme")).unwrap();
    let error = hosts.add_host("ACME.example.", key("other")).unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::TenantConflict);
    let message = error.to_string();
    assert!(
        message.contains("acme") && message.contains("other"),
        "{message}"
    );
}

proptest! {
    /// No request makes the resolver panic, and the tenant of a host is the one that a naive
    /// reading of it finds.
    #[test]
    fn any_host_has_the_tenant_of_a_naive_reading_or_none(
        host in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "(api\\.)?[a-zA-Z0-9_.-]{0,20}\\.(shop|SHOP)\\.example\\.?(:[0-9]{0,6})?"
                .prop_map(String::into_bytes),
            "[@:\\[\\].a-z]{0,12}acme\\.example[@:\\[\\].0-9]{0,8}".prop_map(String::into_bytes),
        ],
        is_target in any::<bool>(),
    ) {
        let hosts = hosts();
        let mut request = Request::new(());
        let is_valid = if is_target {
            let uri = Uri::builder().scheme("https").authority(&*host).path_and_query("/").build();
            uri.map(|uri| *request.uri_mut() = uri).is_ok()
        } else {
            let value = HeaderValue::from_bytes(&host);
            value.map(|value| request.headers_mut().insert(header::HOST, value)).is_ok()
        };
        let found = hosts.resolve(RequestHead::from_request(&request));
        let text = String::from_utf8_lossy(&host).to_ascii_lowercase();
        let name = match text.split_once(':') {
            Some((name, port))
                if port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => &text,
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        if let Some(found) = found {
            prop_assert!(is_valid);
            let from_pattern = name.strip_prefix("api.");
            let from_pattern = from_pattern.and_then(|name| name.strip_suffix(".shop.example"));
            let expected = match name {
                "acme.example" | "www.acme.example" => "acme",
                "api.legacy.shop.example" => "modern",
                _ => from_pattern.unwrap(),
            };
            prop_assert_eq!(found.as_str(), expected);
            prop_assert!(!expected.contains('.'));
        } else if is_valid {
            prop_assert_ne!(name, "acme.example");
        }
    }
}
