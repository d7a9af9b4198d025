use http::{HeaderMap, Version};

use super::Forwarding;
use super::policy::insert_x_forwarded;
use crate::client_info::TrustedProxies;

fn chain(trusted: &[&str], peer: &str, values: &[&'static str]) -> String {
    let trusted = TrustedProxies::new(trusted.iter().copied()).unwrap();
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append("x-forwarded-for", value.parse().unwrap());
    }
    let client = trusted.client(peer.parse().unwrap(), &headers);
    let mut sent = HeaderMap::new();
    insert_x_forwarded(&client, &mut sent);
    sent["x-forwarded-for"].to_str().unwrap().to_owned()
}

#[test]
fn headers_of_an_untrusted_peer_are_ignored() {
    assert_eq!(
        chain(&["10.0.0.0/8"], "203.0.113.7", &["1.2.3.4"]),
        "203.0.113.7"
    );
    assert_eq!(chain(&[], "10.0.0.1", &["1.2.3.4"]), "10.0.0.1");
}

#[test]
fn x_forwarded_for_is_read_up_to_the_first_untrusted_address() {
    let trusted = ["10.0.0.0/8", "192.0.2.1", "fd00::/8"];
    for (peer, values, expected) in [
        ("10.0.0.1", &["203.0.113.7"][..], "203.0.113.7, 10.0.0.1"),
        (
            "10.0.0.1",
            &["6.6.6.6, 203.0.113.7"],
            "203.0.113.7, 10.0.0.1",
        ),
        (
            "10.0.0.1",
            &["6.6.6.6", "203.0.113.7, 192.0.2.1"],
            "203.0.113.7, 192.0.2.1, 10.0.0.1",
        ),
        ("fd00::1", &["2001:db8::7"], "2001:db8::7, fd00::1"),
        (
            "::ffff:10.0.0.1",
            &["203.0.113.7"],
            "203.0.113.7, ::ffff:10.0.0.1",
        ),
        ("10.0.0.1", &["unknown"], "10.0.0.1"),
        ("10.0.0.1", &["6.6.6.6, evil.example"], "10.0.0.1"),
        ("10.0.0.1", &[""], "10.0.0.1"),
        ("11.0.0.1", &["203.0.113.7"], "11.0.0.1"),
    ] {
        assert_eq!(chain(&trusted, peer, values), expected, "{peer} {values:?}");
    }
}

#[test]
fn the_length_of_a_chain_is_limited() {
    let value = "10.0.0.2, ".repeat(100) + "10.0.0.2";
    let trusted = TrustedProxies::new(["0.0.0.0/0"]).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("x-forwarded-for", value.parse().unwrap());
    let mut sent = HeaderMap::new();
    let client = trusted.client([10, 0, 0, 1].into(), &headers);
    insert_x_forwarded(&client, &mut sent);
    let hops = sent["x-forwarded-for"].to_str().unwrap().split(',').count();
    assert_eq!(hops, 16, "`MAX_HOPS` of `TrustedProxies`");
}

#[test]
fn single_proto_and_host_values_of_a_trusted_proxy_are_copied() {
    let trusted = TrustedProxies::new(["10.0.0.1"]).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("x-forwarded-proto", "https".parse().unwrap());
    headers.insert("x-forwarded-host", "shop.example".parse().unwrap());
    let are_sent = |peer: [u8; 4], headers: &HeaderMap| {
        let mut sent = HeaderMap::new();
        insert_x_forwarded(&trusted.client(peer.into(), headers), &mut sent);
        sent.contains_key("x-forwarded-proto") && sent.contains_key("x-forwarded-host")
    };
    assert!(are_sent([10, 0, 0, 1], &headers));
    assert!(!are_sent([10, 0, 0, 2], &headers));
    headers.append("x-forwarded-proto", "http".parse().unwrap());
    headers.append("x-forwarded-host", "evil.example".parse().unwrap());
    assert!(!are_sent([10, 0, 0, 1], &headers));
}

#[test]
fn forwarded_is_read_up_to_the_first_untrusted_address() {
    let trusted = TrustedProxies::new(["10.0.0.0/8", "fd00::/8"]).unwrap();
    let trusted = trusted.with_forwarded();
    let balancer = "10.0.0.1";
    for (peer, values, expected) in [
        (
            balancer,
            &["for=203.0.113.7"][..],
            "for=203.0.113.7, for=10.0.0.1",
        ),
        (
            balancer,
            &["for=6.6.6.6;host=evil.test, for=203.0.113.7;proto=https;host=a.test"],
            "for=203.0.113.7;proto=https;host=a.test, for=10.0.0.1",
        ),
        (
            balancer,
            &[
                "for=6.6.6.6",
                "for=\"[2001:db8::7]:80\";host=\"a.test:80\", for=\"[fd00::2]\";host=b.test",
            ],
            "for=\"[2001:db8::7]\";host=\"a.test:80\", for=\"[fd00::2]\", for=10.0.0.1",
        ),
        // A trusted proxy hides the address but knows the scheme.
        (
            balancer,
            &["for=6.6.6.6, for=_hidden;proto=https"],
            "for=10.0.0.1;proto=https",
        ),
        (balancer, &["for=unknown"], "for=10.0.0.1"),
        (balancer, &["proto=ftp;host=\"a b\""], "for=10.0.0.1"),
        // A malformed header is not extended.
        (
            balancer,
            &["for=6.6.6.6 x, for=203.0.113.7"],
            "for=10.0.0.1",
        ),
        (balancer, &["for=203.0.113.7", "\""], "for=10.0.0.1"),
        (
            "203.0.113.9",
            &["for=6.6.6.6;host=evil.test"],
            "for=203.0.113.9",
        ),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "6.6.6.6".parse().unwrap());
        headers.insert("x-forwarded-host", "evil.test".parse().unwrap());
        for line in values {
            headers.append("forwarded", line.parse().unwrap());
        }
        let client = trusted.client(peer.parse().unwrap(), &headers);
        let mut sent = HeaderMap::new();
        let forwarding = Forwarding::forwarded();
        forwarding.apply(&mut sent, Some(&client), Version::HTTP_11);
        assert_eq!(sent["forwarded"], expected, "{values:?}");
    }
}

#[test]
fn via_of_a_trusted_proxy_is_extended() {
    let trusted = TrustedProxies::new(["10.0.0.1"]).unwrap();
    let mut headers = HeaderMap::new();
    let via = |peer: [u8; 4], headers: &HeaderMap| {
        let client = trusted.client(peer.into(), headers);
        let mut sent = HeaderMap::new();
        let forwarding = Forwarding::default().with_via();
        forwarding.apply(&mut sent, Some(&client), Version::HTTP_2);
        sent["via"].to_str().unwrap().to_owned()
    };
    assert_eq!(via([10, 0, 0, 1], &headers), "2.0 omneo-id");
    headers.append("via", "1.0 fred".parse().unwrap());
    headers.append("via", "1.1 edge (nginx)".parse().unwrap());
    assert_eq!(
        via([10, 0, 0, 1], &headers),
        "1.0 fred, 1.1 edge, 2.0 omneo-id"
    );
    assert_eq!(via([10, 0, 0, 2], &headers), "2.0 omneo-id");
    headers.append("via", "<script>".parse().unwrap());
    assert_eq!(via([10, 0, 0, 1], &headers), "2.0 omneo-id");
}

#[test]
fn a_host_has_no_userinfo() {
    let trusted = TrustedProxies::new(["10.0.0.1"]).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("x-forwarded-host", "shop.test@evil.test".parse().unwrap());
    let client = trusted.client([10, 0, 0, 1].into(), &headers);
    let mut sent = HeaderMap::new();
    insert_x_forwarded(&client, &mut sent);
    assert!(!sent.contains_key("x-forwarded-host"));
}

#[test]
fn an_invalid_network_is_rejected() {
    for text in [
        "",
        "10.0.0.0/33",
        "::/129",
        "10.0.0/8",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "shop.example",
    ] {
        assert!(TrustedProxies::new([text]).is_err(), "{text}");
    }
}
