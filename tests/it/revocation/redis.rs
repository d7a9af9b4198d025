//! The store in Redis, over a scripted peer on loopback. `tests/redis` has the same over a server.

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use omneo_id::revocation::{RedisStore, Revocation, RevocationStore, RevokeErrorKind};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::{NOW, Process, ada, profile};
use crate::support::logs::Log;
use crate::support::redis_peer::{Fault, RedisPeer};

const LOG: &str = "omneo-id:acme:revocations:log";
const SET: &str = "omneo-id:acme:revocations";

fn store(url: &str) -> RedisStore {
    RedisStore::new(url, "acme").unwrap().with_clock(|| NOW)
}

fn process(store: RedisStore) -> Process {
    Process::with(|revocations| {
        revocations
            .with_sync_interval(Duration::from_millis(100))
            .with_store(store)
    })
}

fn spawn(process: &Process) -> JoinHandle<Infallible> {
    tokio::spawn(process.revocations.synchronize())
}

/// Waits for tasks that use sockets.
async fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_true() {
        assert!(Instant::now() < end, "it did not happen: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn read_all(store: &RedisStore) -> Vec<Revocation> {
    let mut all = Vec::new();
    store.read_all(&mut |page| all.extend(page)).await.unwrap();
    all
}

async fn read_new(store: &RedisStore) -> Vec<Revocation> {
    let mut new = Vec::new();
    store.read_new(&mut |page| new.extend(page)).await.unwrap();
    new
}

fn token(id: &str) -> Revocation {
    format!("t {} {id}", NOW + 60).parse().unwrap()
}

fn shown(error: &dyn Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut next = error.source();
    while let Some(source) = next {
        text += &format!(": {source} {source:?}");
        next = source.source();
    }
    text
}

mod commands {
    use super::*;

    #[tokio::test]
    async fn a_write_is_one_transaction() {
        let peer = RedisPeer::start().await;
        store(&peer.url()).write(&token("x")).await.unwrap();
        let member = format!("t {} x", NOW + 60);
        let (expiry, month) = ((NOW + 60).to_string(), "2592000");
        let expired = (NOW - 60).to_string();
        assert_eq!(
            peer.state().commands,
            [
                vec!["ZREMRANGEBYSCORE", SET, "-inf", &expired],
                vec!["ZADD", SET, &expiry, &member],
                vec!["XADD", LOG, "MAXLEN", "~", "10000", "*", "r", &member],
                vec!["EXPIRE", SET, month],
                vec!["EXPIRE", LOG, month],
                vec!["PUBLISH", "omneo-id:acme:revocations:new", &member],
            ]
        );
    }

    #[tokio::test]
    async fn a_full_read_is_paged_and_further_reads_are_short() {
        let peer = RedisPeer::start().await;
        let store = store(&peer.url());
        store.write(&token("first")).await.unwrap();
        for number in 0..2499 {
            let (member, expiry) = (format!("t {} {number}", NOW + number), NOW + number);
            peer.state().set.insert(member, expiry);
        }
        assert_eq!(read_all(&store).await.len(), 2500);
        assert_eq!(peer.count("ZREVRANGE"), 3);
        assert_eq!(read_new(&store).await, []);
        store.write(&token("x")).await.unwrap();
        store.write(&token("y")).await.unwrap();
        assert_eq!(read_new(&store).await, [token("x"), token("y")]);
        assert_eq!(read_new(&store).await, []);
        // Several pages of the log.
        for number in 0..2499 {
            let member = token(&number.to_string()).to_string();
            peer.state()
                .log
                .push((format!("{}-0", 1000 + number), member));
        }
        assert_eq!(read_new(&store).await.len(), 2499);
        assert_eq!(peer.count("ZREVRANGE"), 3, "the set was read once");
    }

    #[tokio::test]
    async fn a_log_without_the_last_known_entry_leads_to_a_full_read() {
        let peer = RedisPeer::start().await;
        let store = store(&peer.url());
        store.write(&token("x")).await.unwrap();
        read_all(&store).await;
        store.write(&token("y")).await.unwrap();
        peer.state().log.remove(0);
        assert_eq!(read_new(&store).await.len(), 2);
        assert_eq!(read_new(&store).await, []);
        peer.state().log.clear();
        assert_eq!(read_new(&store).await.len(), 2);
        assert_eq!(read_new(&store).await.len(), 2);
        store.write(&token("z")).await.unwrap();
        assert_eq!(read_new(&store).await.len(), 3);
        assert_eq!(read_new(&store).await, []);
    }

    #[tokio::test]
    async fn the_connection_is_reused_and_shared() {
        let peer = RedisPeer::start().await;
        let store = std::sync::Arc::new(store(&peer.url()));
        let writes = (0..100).map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.write(&token(&number.to_string())).await.unwrap() })
        });
        for write in writes.collect::<Vec<_>>() {
            write.await.unwrap();
        }
        read_all(&store).await;
        assert_eq!(peer.state().connections, 1);
        assert_eq!(peer.state().set.len(), 100);
    }

    #[tokio::test]
    async fn a_database_is_selected() {
        let peer = RedisPeer::start().await;
        let url = format!("{}/7", peer.url());
        read_all(&store(&url)).await;
        assert_eq!(peer.state().commands[0], ["SELECT", "7"]);
    }
}

mod credentials {
    use super::*;

    #[tokio::test]
    async fn user_and_password_are_sent() {
        for (credentials, required) in [
            (":sesame-4711@", ("default", "sesame-4711")),
            ("ada:sesame-4711@", ("ada", "sesame-4711")),
            ("ada:ses%40me@", ("ada", "ses@me")),
        ] {
            let peer = RedisPeer::start().await;
            peer.state().credentials = Some(required);
            let url = format!("redis://{credentials}127.0.0.1:{}", peer.port());
            store(&url).write(&token("x")).await.unwrap();
        }
    }

    #[tokio::test]
    async fn no_error_debug_or_log_contains_the_password() {
        let peer = RedisPeer::start().await;
        peer.state().credentials = Some(("default", "another"));
        let url = format!("redis://:sesame-4711@127.0.0.1:{}", peer.port());
        let store = store(&url);
        assert!(!format!("{store:?}").contains("sesame"));
        // This peer repeats the arguments of a refused AUTH in its error.
        let error = store.write(&token("x")).await.unwrap_err();
        assert!(!shown(&*error).contains("sesame"), "{}", shown(&*error));
        let a = process(store);
        let (log, _guard) = Log::capture();
        let _task = spawn(&a);
        until("the outage is logged", || log.text().contains("WARN")).await;
        assert!(!log.text().contains("sesame"), "{}", log.text());
        let error = a.revocations.revoke_token_id("y").await.unwrap_err();
        assert!(!shown(&error).contains("sesame"), "{}", shown(&error));
    }

    #[test]
    fn invalid_settings_are_refused_without_their_text() {
        for (url, tenant) in [
            ("redis://sesame-4711@cache", "acme"),
            ("redis://:sesame-4711@cache:x", "acme"),
            ("redis://:sesame-4711@cache?tls=1", "acme"),
            ("sesame-4711", "acme"),
            ("redis://:sesame-4711@cache", ""),
            ("redis://:sesame-4711@cache", "a b"),
        ] {
            let error = RedisStore::new(url, tenant).unwrap_err();
            assert!(!shown(&error).contains("sesame"), "{}", shown(&error));
        }
        assert!(store("redis://cache").with_prefix("").is_err());
        assert!(store("redis://cache").with_prefix("a\nb").is_err());
    }
}

mod faults {
    use super::*;

    #[tokio::test]
    async fn an_unreachable_server_is_an_error() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let store = store(&format!("redis://{address}"));
        let error = store.write(&token("x")).await.unwrap_err();
        assert!(shown(&*error).contains("cannot be reached"));
    }

    #[tokio::test]
    async fn each_fault_is_an_error_and_the_next_connection_works() {
        for fault in [
            Fault::Error("LOADING Redis is loading the dataset in memory"),
            Fault::Error("READONLY You can't write against a read only replica."),
            Fault::Error("MOVED 1234 127.0.0.1:1"),
            Fault::Garbage,
            Fault::Close,
        ] {
            let peer = RedisPeer::start().await;
            let store = store(&peer.url());
            for is_connected in [false, true] {
                peer.set(fault);
                let write = store.write(&token("x")).await;
                assert!(write.is_err(), "{fault:?} {is_connected}");
                let mut received = 0;
                let read = store.read_all(&mut |page| received += page.len()).await;
                assert!(read.is_err(), "{fault:?} {is_connected}");
                peer.set(Fault::None);
                store.write(&token("y")).await.unwrap();
                assert!(read_all(&store).await.contains(&token("y")));
            }
        }
    }

    #[tokio::test]
    async fn a_reused_connection_that_was_closed_costs_no_error() {
        let peer = RedisPeer::start().await;
        let store = store(&peer.url());
        for round in 1..=3 {
            store.write(&token("x")).await.unwrap();
            assert_eq!(peer.state().connections, round);
            peer.disconnect();
        }
        read_all(&store).await;
    }

    #[tokio::test]
    async fn silence_and_half_answers_end_with_the_timeout() {
        for fault in [Fault::Silence, Fault::HalfAnswer] {
            let peer = RedisPeer::start().await;
            peer.set(fault);
            let store = std::sync::Arc::new(store(&peer.url()));
            let started = Instant::now();
            // All wait at the same time. The reused connection is replaced once.
            let writes: Vec<_> = (0..20)
                .map(|_| {
                    let store = store.clone();
                    tokio::spawn(async move { store.write(&token("x")).await.is_err() })
                })
                .collect();
            for write in writes {
                assert!(write.await.unwrap(), "{fault:?}");
            }
            assert!(started.elapsed() >= Duration::from_secs(2), "{fault:?}");
            peer.set(Fault::None);
            store.write(&token("y")).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_silent_handshake_ends_with_the_timeout_for_all_who_wait() {
        let peer = RedisPeer::start().await;
        peer.set(Fault::Silence);
        let url = format!("redis://:p@127.0.0.1:{}", peer.port());
        let store = std::sync::Arc::new(store(&url));
        let writes: Vec<_> = (0..20)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.write(&token("x")).await.is_err() })
            })
            .collect();
        for write in writes {
            assert!(write.await.unwrap());
        }
        // They share the failure of one attempt.
        assert_eq!(peer.state().connections, 1);
    }
}

mod processes {
    use super::*;

    #[tokio::test]
    async fn a_revocation_reaches_another_process_and_outages_end_by_themselves() {
        let peer = RedisPeer::start().await;
        let [a, b] = [process(store(&peer.url())), process(store(&peer.url()))];
        let _tasks = [spawn(&a), spawn(&b)];
        until("synchronized", || b.revocations.is_synchronized()).await;
        let (first, second) = (a.mint(&ada()), a.mint(&ada()));
        let id = |token: &str| {
            let verified = a.verifier.verify(token).unwrap();
            verified.claims().token_id.clone().unwrap()
        };
        let (first_id, second_id) = (id(&first), id(&second));
        a.revocations.revoke_token_id(&first_id).await.unwrap();
        until("the revocation", || b.check(&first).is_err()).await;
        peer.set(Fault::Close);
        peer.disconnect();
        let error = a.revocations.revoke_token_id(&second_id).await.unwrap_err();
        assert_eq!(error.kind(), RevokeErrorKind::Store);
        a.assert_revoked(&second);
        b.assert_valid(&second);
        until("the outage", || !b.revocations.stats().store.unwrap().is_up).await;
        peer.set(Fault::None);
        until("the queued revocation", || b.check(&second).is_err()).await;
    }

    #[tokio::test]
    async fn a_deaf_subscription_is_healed_by_the_reads() {
        let peer = RedisPeer::start().await;
        let [a, b] = [process(store(&peer.url())), process(store(&peer.url()))];
        let _tasks = [spawn(&a), spawn(&b)];
        until("the subscriptions", || peer.count("SUBSCRIBE") == 2).await;
        peer.set(Fault::DeafSubscriptions);
        let token = a.mint(&ada());
        a.revocations.revoke_profile(&profile("ada")).await.unwrap();
        until("the read", || b.check(&token).is_err()).await;
        assert_eq!(peer.count("SUBSCRIBE"), 2);
        // A ping after ten seconds without a message finds it.
        peer.set(Fault::None);
        peer.set(Fault::DeafSubscriptions);
        until("a new subscription", || peer.count("SUBSCRIBE") >= 4).await;
    }

    #[tokio::test]
    async fn a_subscription_delivers_while_reads_are_rare() {
        let peer = RedisPeer::start().await;
        let rare = |url: &str| {
            let store = store(url);
            Process::with(|revocations| {
                revocations
                    .with_sync_interval(Duration::from_secs(86_400))
                    .with_store(store)
            })
        };
        let [a, b] = [rare(&peer.url()), rare(&peer.url())];
        let _tasks = [spawn(&a), spawn(&b)];
        until("the subscriptions", || peer.count("SUBSCRIBE") == 2).await;
        until("synchronized", || b.revocations.is_synchronized()).await;
        let token = a.mint(&ada());
        a.revocations.revoke_profile(&profile("ada")).await.unwrap();
        until("the message", || b.check(&token).is_err()).await;
        assert_eq!(peer.count("XRANGE"), 0);
    }

    #[tokio::test]
    async fn unknown_members_are_logged_once() {
        let peer = RedisPeer::start().await;
        for member in ["future x y", "t y", ""] {
            peer.state().set.insert(member.into(), NOW + 60);
        }
        let store = store(&peer.url());
        let (log, _guard) = Log::capture();
        store.write(&token("x")).await.unwrap();
        for _ in 0..3 {
            assert_eq!(read_all(&store).await, [token("x")]);
        }
        assert_eq!(log.text().lines().count(), 1, "{}", log.text());
    }
}

#[cfg(feature = "tls")]
mod tls {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use rustls::ServerConfig;
    use rustls::crypto::aws_lc_rs;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use std::sync::Arc;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    const CERTIFICATE: &[u8] = include_bytes!("../../tls/tenant.cert.der");
    const KEY: &[u8] = include_bytes!("../../tls/tenant.key.der");

    fn pem() -> String {
        let lines = STANDARD.encode(CERTIFICATE);
        format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
    }

    async fn peer() -> RedisPeer {
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(CERTIFICATE)],
                PrivateKeyDer::try_from(KEY).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        RedisPeer::start_with(move |stream| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(stream).await.ok() }
        })
        .await
    }

    #[tokio::test]
    async fn a_private_root_certificate_can_be_trusted() {
        let peer = peer().await;
        for host in ["localhost", "127.0.0.1"] {
            let url = format!("rediss://{host}:{}", peer.port());
            let store = store(&url)
                .with_root_certificates(pem().as_bytes())
                .unwrap();
            store.write(&token("x")).await.unwrap();
            assert_eq!(read_all(&store).await, [token("x")]);
        }
    }

    #[tokio::test]
    async fn an_unknown_certificate_is_refused_and_plaintext_is_not_tried() {
        let peer = peer().await;
        let url = format!("rediss://localhost:{}", peer.port());
        let error = store(&url).write(&token("x")).await.unwrap_err();
        assert!(shown(&*error).contains("TLS"), "{}", shown(&*error));
        let plain = RedisPeer::start().await;
        let url = format!("rediss://localhost:{}", plain.port());
        let trusted = store(&url)
            .with_root_certificates(pem().as_bytes())
            .unwrap();
        trusted.write(&token("x")).await.unwrap_err();
        assert_eq!(
            plain.state().commands.len() + peer.state().commands.len(),
            0
        );
    }

    #[test]
    fn invalid_root_certificates_are_refused() {
        for pem in [
            "",
            "no certificate",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let store = store("rediss://localhost");
            assert!(
                store.with_root_certificates(pem.as_bytes()).is_err(),
                "{pem}"
            );
        }
        let plain = store("redis://localhost");
        assert!(plain.with_root_certificates(pem().as_bytes()).is_ok());
    }
}
