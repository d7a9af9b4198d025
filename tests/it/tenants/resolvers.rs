//! The tenant by path, by header, by a closure, and the only one.

use http::Request;
use http::request::Builder;
use omneo_id::client_info::{ClientInfo, TrustedProxies};
use omneo_id::tenants::{
    OneTenant, RequestHead, TenantByHeader, TenantByPath, TenantKey, TenantResolver,
};

use super::{key, resolve};

#[test]
fn the_first_segment_of_the_path_is_the_key() {
    for (path, expected) in [
        ("/acme", Some("acme")),
        ("/acme/", Some("acme")),
        ("/acme/id/api/v1/profiles/me?x=/brand/", Some("acme")),
        ("/acme//brand", Some("acme")),
        ("https://brand.example/acme/x", Some("acme")),
        ("/", None),
        ("//acme", None),
        ("/Acme/x", None),
        ("/%61cme/x", None),
        ("/acme;x/y", None),
        ("/acme.brand/x", None),
        ("/../acme", None),
        ("/?/acme", None),
        ("*", None),
    ] {
        assert_eq!(
            resolve(&TenantByPath, Request::get(path)).as_deref(),
            expected,
            "{path}"
        );
    }
    let connect = Request::builder().method("CONNECT").uri("acme:443");
    assert_eq!(resolve(&TenantByPath, connect), None);
}

fn request_from(addrs: &[[u8; 4]]) -> Builder {
    let client = addrs.iter().fold(ClientInfo::default(), |client, addr| {
        client.add_addr((*addr).into())
    });
    Request::get("/").extension(client)
}

#[test]
fn a_header_counts_only_from_a_trusted_peer() {
    let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
    assert!(proxies.trusts([10, 1, 2, 3].into()));
    assert!(!proxies.trusts([11, 1, 2, 3].into()));
    let resolver = TenantByHeader::new("x-tenant".parse().unwrap(), proxies);
    let proxy = [10, 0, 0, 1];
    let client = [203, 0, 113, 7];
    for (addrs, expected) in [
        (&[proxy][..], Some("acme")),
        (&[client, proxy], Some("acme")),
        (&[client], None),
        // The last address is the peer: a client cannot write it.
        (&[proxy, client], None),
        (&[], None),
    ] {
        let request = request_from(addrs).header("x-tenant", "Acme");
        assert_eq!(
            resolve(&resolver, request).as_deref(),
            expected,
            "{addrs:?}"
        );
    }
    let without = Request::get("/").header("x-tenant", "acme");
    assert_eq!(resolve(&resolver, without), None);
}

#[test]
fn a_header_that_is_not_one_key_has_no_tenant() {
    let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
    let resolver = TenantByHeader::new("x-tenant".parse().unwrap(), proxies);
    let request = || request_from(&[[10, 0, 0, 1]]);
    assert_eq!(resolve(&resolver, request()), None);
    for values in [
        &["acme", "acme"][..],
        &["acme", "brand"],
        &["acme, brand"],
        &["acme brand"],
        &["acme.brand"],
        &[""],
        &["\u{e4}"],
    ] {
        let request = values.iter().fold(request(), |request, value| {
            request.header("x-tenant", *value)
        });
        assert_eq!(resolve(&resolver, request), None, "{values:?}");
    }
}

#[test]
fn a_closure_is_a_resolver() {
    let other = key("other");
    let resolver = move |request: RequestHead<'_>| -> Option<TenantKey> {
        match request.headers().get("x-brand") {
            Some(brand) => brand.to_str().ok()?.parse().ok(),
            None => Some(other),
        }
    };
    fn is_resolver(_: &impl TenantResolver) {}
    is_resolver(&resolver);
    let branded = Request::get("/").header("x-brand", "acme");
    assert_eq!(resolve(&resolver, branded).as_deref(), Some("acme"));
    assert_eq!(
        resolve(&resolver, Request::get("/")).as_deref(),
        Some("other")
    );
}

#[test]
fn every_request_belongs_to_the_only_tenant() {
    for path in ["/", "/acme/x", "https://brand.example/"] {
        assert_eq!(
            resolve(&OneTenant::default(), Request::get(path)).as_deref(),
            Some("default")
        );
        let acme = OneTenant::new(key("acme"));
        assert_eq!(resolve(&acme, Request::get(path)).as_deref(), Some("acme"));
    }
}

#[test]
fn a_request_head_has_the_parts_of_its_request() {
    let request = Request::post("/x")
        .header("a", "b")
        .extension(7_u8)
        .body(())
        .unwrap();
    let head = RequestHead::from_request(&request);
    assert_eq!(head.method(), "POST");
    assert_eq!(head.uri(), "/x");
    assert_eq!(head.version(), http::Version::HTTP_11);
    assert_eq!(head.headers()["a"], "b");
    assert_eq!(head.extensions().get(), Some(&7_u8));
}
