//! Two processes of the standalone server that share a Redis server.

use std::fs;

use omneo_id_redis::{BOUND, PROFILE, Proxy, Server, Standalone, until, within};
use serde_json::json;

/// A process with the store at this URL, which is ready.
async fn ready(url: &str) -> Standalone {
    let process = Standalone::start(&["--revocations", url]);
    until("ready", || process.is_ready()).await;
    process
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_one_process_ends_is_refused_by_the_other() {
    let server = Server::start();
    let (a, b) = (ready(&server.url()).await, ready(&server.url()).await);
    let (first, second) = (a.sign_in(), b.sign_in());
    for process in [&a, &b] {
        assert_eq!([process.me(&first), process.me(&second)], [200, 200]);
    }
    assert_eq!(a.sign_out(&first), 204);
    assert_eq!(a.me(&first), 401, "at the next request of the same process");
    within(BOUND, "one token", || b.me(&first) == 401).await;
    assert_eq!([a.me(&second), b.me(&second)], [200, 200]);
    assert_eq!(b.revoke(&json!({ "id": PROFILE })), 204);
    assert_eq!(b.me(&second), 401);
    within(BOUND, "all tokens of the profile", || a.me(&second) == 401).await;
    // A login works at once in both.
    let (first, second) = (a.sign_in(), b.sign_in());
    for token in [&first, &second] {
        assert_eq!([a.me(token), b.me(token)], [200, 200]);
    }
    assert_eq!(a.revoke(&json!({ "all": true })), 204);
    within(BOUND, "all tokens", || b.me(&first) == 401).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_redis_server_is_killed_and_restarted_in_between() {
    let mut server = Server::start();
    let (a, b) = (ready(&server.url()).await, ready(&server.url()).await);
    let (before, during, after) = (a.sign_in(), a.sign_in(), a.sign_in());
    assert_eq!(a.sign_out(&before), 204);
    server.kill();
    // The session is ended in the process that answers, and the client learns that it is not
    // confirmed for the others.
    assert_eq!(a.sign_out(&during), 503);
    assert_eq!(a.me(&during), 401);
    // Requests are served with what is known.
    assert_eq!([a.me(&after), b.me(&after)], [200, 200]);
    server.restart();
    within(BOUND, "the repeated write", || b.me(&during) == 401).await;
    assert_eq!(b.me(&before), 401);
    assert_eq!(b.sign_out(&after), 204);
    within(BOUND, "a sign-out after the restart", || {
        a.me(&after) == 401
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_process_is_ready_after_the_full_read() {
    let mut server = Server::start();
    let (a, b) = (ready(&server.url()).await, ready(&server.url()).await);
    let tokens = [a.sign_in(), a.sign_in()];
    assert_eq!(a.sign_out(&tokens[0]), 204);
    drop(b);
    assert_eq!(a.sign_out(&tokens[1]), 204);
    server.kill();
    let b = Standalone::start(&["--revocations", &server.url()]);
    assert!(!b.is_ready());
    server.restart();
    until("ready", || b.is_ready()).await;
    assert_eq!(tokens.each_ref().map(|token| b.me(token)), [401, 401]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_a_proxy_cuts_without_a_sign_are_healed_by_the_reads() {
    let server = Server::start();
    let proxy = Proxy::start(server.port()).await;
    let (a, b) = (ready(&server.url()).await, ready(&proxy.url()).await);
    until("the subscription", || proxy.subscriptions() == 1).await;
    let tokens = [a.sign_in(), a.sign_in()];
    proxy.freeze_subscriptions();
    assert_eq!(a.sign_out(&tokens[0]), 204);
    within(BOUND, "the read", || b.me(&tokens[0]) == 401).await;
    proxy.freeze_all();
    assert_eq!(a.sign_out(&tokens[1]), 204);
    within(BOUND, "the read on another connection", || {
        b.me(&tokens[1]) == 401
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_refuses_during_an_outage_recovers() {
    let mut server = Server::with_password("sesame-4711");
    let file = server.folder().join("url");
    fs::write(&file, server.url().replace("//", "//:sesame-4711@")).unwrap();
    let process = Standalone::start(&[
        "--revocations-file",
        file.to_str().unwrap(),
        "--revocations-on-outage",
        "refuse:10s",
    ]);
    until("ready", || process.is_ready()).await;
    let token = process.sign_in();
    assert_eq!(process.me(&token), 200);
    server.kill();
    until("refused", || process.me(&token) == 503).await;
    assert!(!process.is_ready());
    server.restart();
    until("served again", || process.me(&token) == 200).await;
    until("ready again", || process.is_ready()).await;
}
