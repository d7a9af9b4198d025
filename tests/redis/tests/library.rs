//! Sets of revocations that share a Redis server, as those of several processes do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use omneo_id::auth::VerifyErrorKind;
use omneo_id::identity::VerifiedToken;
use omneo_id::revocation::{OnOutage, RedisStore, RevokeErrorKind};
use omneo_id::{Keyring, ProfileId, Revocations, SigningKey, Subject, TokenIssuer, TokenVerifier};
use omneo_id_redis::{Proxy, Server, until};
use tokio::task::JoinHandle;

/// A set that is synchronized while this exists, as in a process of its own.
struct Process {
    revocations: Revocations,
    task: JoinHandle<()>,
}

impl Process {
    fn start(url: &str) -> Self {
        Self::with_store(store(url), |revocations| revocations)
    }

    fn with_store(store: RedisStore, edit: impl FnOnce(Revocations) -> Revocations) -> Self {
        let revocations = Revocations::new()
            .with_sync_interval(Duration::from_millis(500))
            .with_store(store);
        let revocations = edit(revocations);
        let synchronizing = revocations.synchronize();
        let task = tokio::spawn(async move { match synchronizing.await {} });
        Self { revocations, task }
    }

    async fn ready(self) -> Self {
        until("synchronized", || self.revocations.is_synchronized()).await;
        self
    }

    fn ends(&self, token: &VerifiedToken) -> bool {
        self.revocations.is_revoked(token.claims())
    }

    fn is_up(&self) -> bool {
        self.revocations.stats().store.unwrap().is_up
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn store(url: &str) -> RedisStore {
    RedisStore::new(url, "acme").unwrap()
}

fn profile(id: &str) -> ProfileId {
    id.parse().unwrap()
}

fn token(id: &str) -> VerifiedToken {
    let ring =
        Keyring::new(SigningKey::hs256("a secret of at least 32 bytes, kept secret").unwrap());
    let subject = Subject::Profile(profile(id));
    let token = TokenIssuer::new(ring.clone()).issue(&subject).unwrap();
    TokenVerifier::new(ring).verify(token.token()).unwrap()
}

#[tokio::test]
async fn each_kind_of_revocation_reaches_another_process() {
    let server = Server::start();
    let a = Process::start(&server.url()).ready().await;
    let b = Process::start(&server.url()).ready().await;
    let (ada, bob, eve) = (token("ada"), token("bob"), token("eve"));
    a.revocations.revoke_token(ada.claims()).await.unwrap();
    until("one token", || b.ends(&ada)).await;
    assert!(!b.ends(&bob));
    b.revocations.revoke_profile(&profile("bob")).await.unwrap();
    until("a profile", || a.ends(&bob)).await;
    assert!(!a.ends(&eve));
    a.revocations.revoke_all().await.unwrap();
    until("all", || b.ends(&eve)).await;
}

#[tokio::test]
async fn a_message_arrives_before_the_next_read() {
    let server = Server::start();
    // Apart from the first read, only the subscription delivers.
    let rarely = |set: Revocations| set.with_sync_interval(Duration::from_secs(86_400));
    let a = Process::with_store(store(&server.url()), rarely)
        .ready()
        .await;
    let b = Process::with_store(store(&server.url()), rarely)
        .ready()
        .await;
    until_subscribed(&server, 2).await;
    let ada = token("ada");
    a.revocations.revoke_token(ada.claims()).await.unwrap();
    until("the message", || b.ends(&ada)).await;
}

#[tokio::test]
async fn a_killed_server_is_tolerated_and_learns_afterwards() {
    let mut server = Server::start();
    let a = Process::start(&server.url()).ready().await;
    let b = Process::start(&server.url()).ready().await;
    let (ada, bob) = (token("ada"), token("bob"));
    a.revocations.revoke_token(ada.claims()).await.unwrap();
    server.kill();
    let error = a.revocations.revoke_token(bob.claims()).await.unwrap_err();
    assert_eq!(error.kind(), RevokeErrorKind::Store);
    assert!(a.ends(&bob), "it is ended in its own process");
    until("the outage is seen", || !a.is_up() && !b.is_up()).await;
    assert!(!b.ends(&bob));
    assert_eq!(a.revocations.stats().store.unwrap().unwritten, 1);

    server.restart();
    until("the queued write", || b.ends(&bob)).await;
    until("the end of the outage", || a.is_up() && b.is_up()).await;
    assert_eq!(a.revocations.stats().store.unwrap().unwritten, 0);
    // The server has persisted both.
    let c = Process::start(&server.url()).ready().await;
    assert!(c.ends(&ada) && c.ends(&bob));
}

#[tokio::test]
async fn a_process_is_synchronized_after_the_first_full_read() {
    let mut server = Server::start();
    let a = Process::start(&server.url()).ready().await;
    // More than two pages.
    let tokens: Vec<VerifiedToken> = (0..2500).map(|n| token(&format!("profile-{n}"))).collect();
    for token in &tokens {
        a.revocations.revoke_token(token.claims()).await.unwrap();
    }
    server.kill();
    let b = Process::start(&server.url());
    until("a failed read", || {
        b.revocations
            .stats()
            .store
            .is_some_and(|store| !store.is_up)
    })
    .await;
    assert!(!b.revocations.is_synchronized());
    server.restart();
    let b = b.ready().await;
    assert!(tokens.iter().all(|token| b.ends(token)));
}

#[tokio::test]
async fn a_subscription_that_is_cut_without_a_sign_is_healed_by_the_reads() {
    let server = Server::start();
    let proxy = Proxy::start(server.port()).await;
    let a = Process::start(&server.url()).ready().await;
    let b = Process::start(&proxy.url()).ready().await;
    until("the subscription", || proxy.subscriptions() == 1).await;
    proxy.freeze_subscriptions();
    let ada = token("ada");
    a.revocations.revoke_token(ada.claims()).await.unwrap();
    until("the read", || b.ends(&ada)).await;
    // The ping that finds the cut is sent after ten seconds.
    until("another subscription", || proxy.subscriptions() == 2).await;
}

#[tokio::test]
async fn connections_that_are_cut_without_a_sign_are_replaced() {
    let server = Server::start();
    let proxy = Proxy::start(server.port()).await;
    let a = Process::start(&server.url()).ready().await;
    let b = Process::start(&proxy.url()).ready().await;
    proxy.freeze_all();
    let (ada, bob) = (token("ada"), token("bob"));
    a.revocations.revoke_token(ada.claims()).await.unwrap();
    until("the read", || b.ends(&ada)).await;
    proxy.freeze_all();
    // The write is sent again on a new connection.
    b.revocations.revoke_token(bob.claims()).await.unwrap();
    until("the write", || a.ends(&bob)).await;
}

#[tokio::test]
async fn a_lost_log_or_lost_data_leads_to_a_full_read() {
    let server = Server::start();
    let proxy = Proxy::start(server.port()).await;
    let a = Process::start(&server.url()).ready().await;
    let b = Process::start(&proxy.url()).ready().await;
    until("the subscription", || proxy.subscriptions() == 1).await;
    let tokens = ["ada", "bob", "eve", "kim"].map(token);
    let [ada, bob, eve, kim] = &tokens;
    a.revocations.revoke_token(ada.claims()).await.unwrap();
    until("the first", || b.ends(ada)).await;
    // From here on, only reads deliver.
    proxy.freeze_subscriptions();
    a.revocations.revoke_token(bob.claims()).await.unwrap();
    let _: () = server.ask(&["DEL", "omneo-id:acme:revocations:log"]);
    until("a read without the log", || b.ends(bob)).await;
    proxy.freeze_subscriptions();
    a.revocations.revoke_token(eve.claims()).await.unwrap();
    let _: () = server.ask(&["XTRIM", "omneo-id:acme:revocations:log", "MAXLEN", "0"]);
    until("a read with an empty log", || b.ends(eve)).await;
    proxy.freeze_subscriptions();
    let _: () = server.ask(&["FLUSHALL"]);
    a.revocations.revoke_token(kim.claims()).await.unwrap();
    until("a read after the data was lost", || b.ends(kim)).await;
    assert!(tokens.iter().all(|token| a.ends(token) && b.ends(token)));
}

#[tokio::test]
async fn the_password_is_checked() {
    let server = Server::with_password("a-password");
    let address = format!("127.0.0.1:{}", server.port());
    let b = Process::start(&format!("redis://:a-password@{address}"))
        .ready()
        .await;
    let ada = token("ada");
    for credentials in ["", ":other@", "user:a-password@"] {
        let c = Process::start(&format!("redis://{credentials}{address}"));
        let error = c.revocations.revoke_token(ada.claims()).await.unwrap_err();
        assert_eq!(error.kind(), RevokeErrorKind::Store);
        let source = std::error::Error::source(&error).unwrap();
        assert!(
            !format!("{source} {source:?}").contains("password"),
            "{source}"
        );
        assert!(!c.revocations.is_synchronized());
    }
    // A user that may access the prefix only, with the commands that the docs list.
    let _: () = server.ask(&[
        "ACL",
        "SETUSER",
        "omneo",
        "on",
        ">p@ss",
        "~omneo-id:acme:*",
        "&omneo-id:acme:*",
        "-@all",
        "+multi",
        "+exec",
        "+zadd",
        "+zremrangebyscore",
        "+zrevrange",
        "+xadd",
        "+xrange",
        "+xrevrange",
        "+expire",
        "+publish",
        "+subscribe",
        "+ping",
    ]);
    let user = Process::start(&format!("redis://omneo:p%40ss@{address}"))
        .ready()
        .await;
    until_subscribed(&server, 2).await;
    user.revocations.revoke_token(ada.claims()).await.unwrap();
    until("the user's write", || b.ends(&ada)).await;
    let bob = token("bob");
    b.revocations.revoke_token(bob.claims()).await.unwrap();
    until("the user's read", || user.ends(&bob)).await;
}

#[tokio::test]
async fn tenants_and_prefixes_do_not_mix() {
    let server = Server::start();
    let url = server.url();
    let edit = |revocations| revocations;
    let acme = Process::start(&url).ready().await;
    let other = RedisStore::new(&url, "other").unwrap();
    let other = Process::with_store(other, edit).ready().await;
    let prefixed = store(&url).with_prefix("shop:omneo").unwrap();
    let prefixed = Process::with_store(prefixed, edit).ready().await;
    until_subscribed(&server, 1).await;
    let (ada, bob) = (token("ada"), token("bob"));
    acme.revocations.revoke_token(ada.claims()).await.unwrap();
    prefixed
        .revocations
        .revoke_token(bob.claims())
        .await
        .unwrap();
    // A further process of each tenant reads all that the server has.
    for (store, ends) in [
        (store(&url), [true, false]),
        (RedisStore::new(&url, "other").unwrap(), [false, false]),
        (
            store(&url).with_prefix("shop:omneo").unwrap(),
            [false, true],
        ),
    ] {
        let further = Process::with_store(store, edit).ready().await;
        assert_eq!([&ada, &bob].map(|token| further.ends(token)), ends);
    }
    assert_eq!([&ada, &bob].map(|token| other.ends(token)), [false, false]);
    assert!(!acme.ends(&bob) && !prefixed.ends(&ada));
    let mut keys: Vec<String> = server.ask(&["KEYS", "*"]);
    keys.sort();
    assert_eq!(
        keys,
        [
            "omneo-id:acme:revocations",
            "omneo-id:acme:revocations:log",
            "shop:omneo:revocations",
            "shop:omneo:revocations:log",
        ]
    );
}

#[tokio::test]
async fn expired_revocations_leave_the_server() {
    let server = Server::start();
    let now = Arc::new(AtomicU64::new(1_800_000_000));
    let clock = |now: &Arc<AtomicU64>| {
        let now = now.clone();
        move || now.load(Ordering::SeqCst)
    };
    let a = store(&server.url()).with_clock(clock(&now));
    let a = Process::with_store(a, |set| set.with_clock(clock(&now)))
        .ready()
        .await;
    a.revocations.revoke_token_id("first").await.unwrap();
    let members =
        || -> Vec<String> { server.ask(&["ZRANGE", "omneo-id:acme:revocations", "0", "-1"]) };
    assert_eq!(members().len(), 1);
    // Both keys expire when a tenant is gone.
    for key in ["omneo-id:acme:revocations", "omneo-id:acme:revocations:log"] {
        let ttl: i64 = server.ask(&["TTL", key]);
        assert!((1..=30 * 86_400).contains(&ttl), "{key}: {ttl}");
    }
    now.fetch_add(2 * 86_400, Ordering::SeqCst);
    a.revocations.revoke_token_id("second").await.unwrap();
    let members = members();
    assert!(
        members.len() == 1 && members[0].ends_with(" second"),
        "{members:?}"
    );
}

#[tokio::test]
async fn unknown_members_are_ignored() {
    let server = Server::start();
    let set = "omneo-id:acme:revocations";
    for member in ["x 4000000000 future", "t y", ""] {
        let _: () = server.ask(&["ZADD", set, "4000000000", member]);
    }
    let _: () = server.ask(&["ZADD", set, "4000000000", "t 4000000000 known"]);
    let log = "omneo-id:acme:revocations:log";
    let a = Process::start(&server.url()).ready().await;
    let b = Process::start(&server.url()).ready().await;
    assert_eq!(b.revocations.stats().entries, 1);
    a.revocations.revoke_token_id("another").await.unwrap();
    until("a known member", || b.revocations.stats().entries == 2).await;
    // Entries of the log with other fields. They are read when `b` has the end of the log.
    until("a known field", || {
        let _: String = server.ask(&["XADD", log, "*", "s", "x"]);
        let fields = ["XADD", log, "*", "s", "x", "r", "t 4000000000 third"];
        let _: String = server.ask(&fields);
        b.revocations.stats().entries == 3
    })
    .await;
}

#[tokio::test]
async fn a_process_refuses_after_the_tolerated_outage() {
    let mut server = Server::start();
    let now = Arc::new(AtomicU64::new(1_800_000_000));
    let clock = {
        let now = now.clone();
        move || now.load(Ordering::SeqCst)
    };
    let ring =
        Keyring::new(SigningKey::hs256("a secret of at least 32 bytes, kept secret").unwrap());
    let after = Duration::from_secs(60);
    let a = Process::with_store(store(&server.url()).with_clock(clock.clone()), |set| {
        set.with_clock(clock.clone())
            .with_on_outage(OnOutage::Refuse { after })
    })
    .ready()
    .await;
    let verifier = TokenVerifier::new(ring.clone())
        .with_clock(clock.clone())
        .with_revocations(a.revocations.clone());
    let issuer = TokenIssuer::new(ring).with_clock(clock);
    let token = issuer.issue(&Subject::Profile(profile("ada"))).unwrap();
    let verify = || verifier.verify(token.token()).map_err(|error| error.kind());
    assert!(verify().is_ok());
    server.kill();
    until("the outage", || !a.is_up()).await;
    assert!(verify().is_ok());
    now.fetch_add(61, Ordering::SeqCst);
    assert_eq!(verify().unwrap_err(), VerifyErrorKind::RevocationsStale);
    server.restart();
    until("the end of the outage", || verify().is_ok()).await;
}

async fn until_subscribed(server: &Server, subscribers: i64) {
    until("the subscriptions", || {
        let channel = "omneo-id:acme:revocations:new";
        let (_, count): (String, i64) = server.ask(&["PUBSUB", "NUMSUB", channel]);
        count == subscribers
    })
    .await;
}
