//! Collections of attacks, replayed byte for byte over sockets: Omneo ID and its tenant listen on
//! loopback.

mod collections;
mod setup;

use setup::{Setup, get, lines, statuses, unescape};

#[tokio::test]
async fn a_valid_request_succeeds_in_this_setup() {
    let setup = Setup::lay().await;
    let response = setup.send(&get(b"/profiles/me", b"", &setup.token)).await;
    assert_eq!(statuses(&response), [200], "{}", response.escape_ascii());
    assert_eq!(setup.sandbox.take_requests().len(), 1);
    assert_eq!(unescape(r"a\r\n\x00\u002e\\"), b"a\r\n\x00\\u002e\\\\");
}

#[tokio::test]
async fn an_absolute_target_is_accepted_for_the_own_host_only() {
    let setup = Setup::lay().await;
    for (target, expected) in [
        ("http://shop.test/profiles/me", 200),
        ("http://SHOP.test//profiles/me", 200),
        ("http://shop.test:80/profiles/me", 404),
        ("http://evil.test/profiles/me", 404),
        ("http://evil.test//profiles/me", 404),
        ("http://evil.test//locations", 404),
        ("http://shop.test@evil.test/profiles/me", 404),
    ] {
        let attack = get(target.as_bytes(), b"", &setup.token);
        let response = setup.send(&attack).await;
        assert_eq!(statuses(&response), [expected], "{target}");
        setup.check(&attack, &response);
    }
}

#[tokio::test]
async fn every_target_stays_within_the_profile() {
    let setup = Setup::lay().await;
    let mut count = 0;
    for line in lines(include_str!("data/paths.txt")) {
        for tail in ["", "/lists", "?page[size]=1", "/..", "%2f.."] {
            let mut target = setup.fill(line);
            target.extend(tail.bytes());
            let attack = get(&target, b"", &setup.token);
            setup.check(&attack, &setup.send(&attack).await);
            count += 1;
        }
    }
    assert!(count > 900, "{count}");
}

#[tokio::test]
async fn headers_cannot_override_the_path_or_the_method() {
    let setup = Setup::lay().await;
    let mut count = 0;
    for line in lines(include_str!("data/headers.txt")) {
        let mut more = setup.fill(line);
        more.extend(b"\r\n");
        for target in ["/profiles/me/lists", "/locations"] {
            let attack = get(target.as_bytes(), &more, &setup.token);
            setup.check(&attack, &setup.send(&attack).await);
            count += 1;
        }
        let body = b"{\"name\":\"x\"}";
        let mut more = setup.fill(line);
        more.extend(format!("\r\nContent-Length: {}\r\n", body.len()).bytes());
        let mut attack = get(b"/profiles/me/lists", &more, &setup.token);
        attack.splice(..3, *b"POST");
        attack.extend(body);
        setup.check(&attack, &setup.send(&attack).await);
    }
    assert!(count > 250, "{count}");
}

#[tokio::test]
async fn no_request_smuggles_a_second_request() {
    let setup = Setup::lay().await;
    let mut count = 0;
    for line in lines(include_str!("data/requests.txt")) {
        let attack = setup.fill(line);
        setup.check(&attack, &setup.send(&attack).await);
        // Bytes left on a connection to the tenant would be read with the next request.
        let valid = get(b"/profiles/me/balances", b"", &setup.token);
        let response = setup.send(&valid).await;
        assert_eq!(
            statuses(&response),
            [200],
            "after {}",
            attack.escape_ascii()
        );
        let forwarded = setup.sandbox.take_requests();
        assert_eq!(forwarded.len(), 1, "after {}", attack.escape_ascii());
        assert!(
            forwarded[0].path().ends_with("/balances"),
            "after {}",
            attack.escape_ascii()
        );
        count += 1;
    }
    assert!(count > 110, "{count}");
}

#[tokio::test]
async fn no_attack_without_a_token_reaches_the_tenant() {
    let setup = Setup::lay().await;
    for table in [
        include_str!("data/paths.txt"),
        include_str!("data/requests.txt"),
    ] {
        for line in lines(table) {
            let line = line.replace("{auth}", "X-Nobody: 1");
            let attack = if table.contains("HTTP/1.1") && line.contains("HTTP/") {
                setup.fill(&line)
            } else {
                let mut attack = b"GET ".to_vec();
                attack.extend(setup.fill(&line));
                attack.extend(b" HTTP/1.1\r\nHost: shop.test\r\n\r\n");
                attack
            };
            let response = setup.send(&attack).await;
            let forwarded = setup.sandbox.requests();
            assert!(forwarded.is_empty(), "{}", attack.escape_ascii());
            setup.check(&attack, &response);
        }
    }
}
