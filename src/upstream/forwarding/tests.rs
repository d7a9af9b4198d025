use super::*;
use crate::client_info::TrustedProxies;
use crate::headers::tests::{from_pairs, to_lines};

fn applied(forwarding: &Forwarding, client: Option<&ClientInfo>, version: Version) -> Vec<String> {
    let mut headers = HeaderMap::new();
    forwarding.apply(&mut headers, client, version);
    to_lines(&headers)
}

fn client() -> ClientInfo {
    ClientInfo::default()
        .add_addr("2001:db8::7".parse().unwrap())
        .add_addr([10, 0, 0, 1].into())
        .with_scheme(Scheme::HTTPS)
        .with_host("shop.test:8443".parse().unwrap())
}

#[test]
fn the_client_is_described_in_the_selected_headers() {
    let forwarded =
        "forwarded: for=\"[2001:db8::7]\";proto=https;host=\"shop.test:8443\", for=10.0.0.1";
    let x = [
        "x-forwarded-for: 2001:db8::7, 10.0.0.1",
        "x-forwarded-host: shop.test:8443",
        "x-forwarded-proto: https",
    ];
    let lines = |forwarding: Forwarding| applied(&forwarding, Some(&client()), Version::HTTP_11);
    assert_eq!(Forwarding::default(), Forwarding::x_forwarded());
    assert_eq!(lines(Forwarding::x_forwarded()), x);
    assert_eq!(lines(Forwarding::forwarded()), [forwarded]);
    assert_eq!(lines(Forwarding::both()), [&[forwarded][..], &x].concat());
    assert!(lines(Forwarding::none()).is_empty());
}

#[test]
fn via_is_sent_if_configured() {
    let via = "via: 1.1 omneo-id";
    let lines = |forwarding: Forwarding| {
        let lines = applied(&forwarding, Some(&client()), Version::HTTP_11);
        lines.into_iter().filter(|line| line.starts_with("via"))
    };
    for forwarding in [
        Forwarding::x_forwarded(),
        Forwarding::forwarded(),
        Forwarding::both(),
        Forwarding::none(),
    ] {
        assert_eq!(lines(forwarding.clone()).count(), 0, "{forwarding:?}");
        let sent: Vec<_> = lines(forwarding.clone().with_via()).collect();
        assert_eq!(sent, [via], "{forwarding:?}");
    }
    let behind_a_proxy = client().with_via("1.0 fred".to_owned());
    let lines = |forwarding| applied(&forwarding, Some(&behind_a_proxy), Version::HTTP_11);
    assert!(lines(Forwarding::none()).is_empty());
    let none = Forwarding::none().with_via();
    assert_eq!(applied(&none, None, Version::HTTP_11), [via]);
    assert_eq!(lines(none), ["via: 1.0 fred, 1.1 omneo-id"]);
}

#[test]
fn unknown_values_are_not_sent() {
    for forwarding in [Forwarding::both(), Forwarding::x_forwarded()] {
        assert!(applied(&forwarding, None, Version::HTTP_11).is_empty());
        let nothing = ClientInfo::default();
        assert!(applied(&forwarding, Some(&nothing), Version::HTTP_11).is_empty());
    }
    let scheme = ClientInfo::default().with_scheme(Scheme::HTTP);
    let forwarding = Forwarding::forwarded();
    assert_eq!(
        applied(&forwarding, Some(&scheme), Version::HTTP_11),
        ["forwarded: proto=http"]
    );
}

#[test]
fn via_has_the_version_of_the_clients_request() {
    let forwarding = Forwarding::default()
        .with_pseudonym("id.shop.test")
        .unwrap();
    for (version, expected) in [
        (Version::HTTP_10, "via: 1.0 id.shop.test"),
        (Version::HTTP_11, "via: 1.1 id.shop.test"),
        (Version::HTTP_2, "via: 2.0 id.shop.test"),
        (Version::HTTP_3, "via: 3.0 id.shop.test"),
    ] {
        assert_eq!(applied(&forwarding, None, version), [expected]);
    }
    assert!(Forwarding::default().with_pseudonym("two names").is_err());
}

// Behind trusted proxies.

/// The headers that are sent for a request that a peer has sent with `received`.
fn sent(
    trusted: &TrustedProxies,
    peer: &str,
    received: &[(&'static str, &str)],
    forwarding: &Forwarding,
) -> HeaderMap {
    let client = trusted.client(peer.parse().unwrap(), &from_pairs(received));
    let mut sent = HeaderMap::new();
    forwarding.apply(&mut sent, Some(&client), Version::HTTP_2);
    sent
}

fn x_forwarded_for(trusted: &[&str], peer: &str, values: &[&str]) -> String {
    let trusted = TrustedProxies::new(trusted.iter().copied()).unwrap();
    let received: Vec<_> = values
        .iter()
        .map(|value| ("x-forwarded-for", *value))
        .collect();
    let sent = sent(&trusted, peer, &received, &Forwarding::default());
    sent["x-forwarded-for"].to_str().unwrap().to_owned()
}

#[test]
fn headers_of_an_untrusted_peer_are_ignored() {
    assert_eq!(
        x_forwarded_for(&["10.0.0.0/8"], "203.0.113.7", &["1.2.3.4"]),
        "203.0.113.7"
    );
    assert_eq!(x_forwarded_for(&[], "10.0.0.1", &["1.2.3.4"]), "10.0.0.1");
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
        assert_eq!(
            x_forwarded_for(&trusted, peer, values),
            expected,
            "{peer} {values:?}"
        );
    }
}

#[test]
fn the_length_of_a_chain_is_limited() {
    let value = "10.0.0.2, ".repeat(100) + "10.0.0.2";
    let chain = x_forwarded_for(&["0.0.0.0/0"], "10.0.0.1", &[&value]);
    let hops = chain.split(',').count();
    assert_eq!(hops, 16, "`MAX_HOPS` of `TrustedProxies`");
}

#[test]
fn single_proto_and_host_values_of_a_trusted_proxy_are_copied() {
    let trusted = TrustedProxies::new(["10.0.0.1"]).unwrap();
    let are_sent = |peer, received: &[(&'static str, &str)]| {
        let sent = sent(&trusted, peer, received, &Forwarding::default());
        sent.contains_key("x-forwarded-proto") && sent.contains_key("x-forwarded-host")
    };
    let once = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.example"),
    ];
    assert!(are_sent("10.0.0.1", &once));
    assert!(!are_sent("10.0.0.2", &once));
    let twice = [
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "evil.example"),
    ];
    assert!(!are_sent("10.0.0.1", &[once, twice].concat()));
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
        let mut received = vec![
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-host", "evil.test"),
        ];
        received.extend(values.iter().map(|value| ("forwarded", *value)));
        let sent = sent(&trusted, peer, &received, &Forwarding::forwarded());
        assert_eq!(sent["forwarded"], expected, "{values:?}");
    }
}

#[test]
fn via_of_a_trusted_proxy_is_extended() {
    let trusted = TrustedProxies::new(["10.0.0.1"]).unwrap();
    let valid = ["1.0 fred", "1.1 edge (nginx)"];
    for (peer, values, expected) in [
        ("10.0.0.1", &[][..], "2.0 omneo-id"),
        ("10.0.0.1", &valid, "1.0 fred, 1.1 edge, 2.0 omneo-id"),
        ("10.0.0.2", &valid, "2.0 omneo-id"),
        (
            "10.0.0.1",
            &[valid[0], valid[1], "<script>"],
            "2.0 omneo-id",
        ),
    ] {
        let received: Vec<_> = values.iter().map(|value| ("via", *value)).collect();
        let forwarding = Forwarding::default().with_via();
        let sent = sent(&trusted, peer, &received, &forwarding);
        assert_eq!(sent["via"], expected, "{peer} {values:?}");
    }
}

#[test]
fn a_host_has_no_userinfo() {
    let trusted = TrustedProxies::new(["10.0.0.1"]).unwrap();
    let received = [("x-forwarded-host", "shop.test@evil.test")];
    let sent = sent(&trusted, "10.0.0.1", &received, &Forwarding::default());
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
