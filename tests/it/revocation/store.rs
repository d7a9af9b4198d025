//! The synchronization with a store, over a scripted one in this process.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use omneo_id::Revocations;
use omneo_id::revocation::{
    OnOutage, Receiver, Revocation, RevocationStore, RevokeErrorKind, StoreFuture,
};

use super::{DAY, NOW, Process, ada, grace, profile};

/// A store that several processes share. Each of its operations can fail.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    revocations: Vec<Revocation>,
    fails: Fails,
    /// How often each operation was called.
    reads: u32,
    writes: u32,
    subscriptions: u32,
    subscribers: Vec<tokio::sync::mpsc::UnboundedSender<Revocation>>,
}

#[derive(Clone, Copy, Default)]
struct Fails {
    reads: bool,
    writes: bool,
    /// Subscriptions fail.
    subscriptions: bool,
    /// Subscriptions stay open, and deliver nothing.
    silently: bool,
}

const OUTAGE: Fails = Fails {
    reads: true,
    writes: true,
    subscriptions: true,
    silently: false,
};

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn fail(&self, fails: Fails) {
        let mut state = self.state();
        state.fails = fails;
        if fails.subscriptions {
            state.subscribers.clear();
        }
    }
}

impl RevocationStore for Shared {
    fn write<'a>(&'a self, revocation: &'a Revocation) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            // A caller may stop waiting here.
            tokio::task::yield_now().await;
            let mut state = self.state();
            state.writes += 1;
            if state.fails.writes {
                return Err("no write".into());
            }
            state.revocations.push(revocation.clone());
            if !state.fails.silently {
                let subscribers = &mut state.subscribers;
                subscribers.retain(|subscriber| subscriber.send(revocation.clone()).is_ok());
            }
            Ok(())
        })
    }

    fn read_all<'a>(&'a self, receiver: &'a mut Receiver<'a>) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let mut state = self.state();
            state.reads += 1;
            if state.fails.reads {
                return Err("no read".into());
            }
            receiver(state.revocations.clone());
            Ok(())
        })
    }

    fn subscribe<'a>(&'a self, receiver: &'a mut Receiver<'a>) -> StoreFuture<'a, Infallible> {
        Box::pin(async move {
            let (sender, mut messages) = tokio::sync::mpsc::unbounded_channel();
            {
                let mut state = self.state();
                state.subscriptions += 1;
                if state.fails.subscriptions {
                    return Err("no subscription".into());
                }
                state.subscribers.push(sender);
            }
            while let Some(revocation) = messages.recv().await {
                receiver(vec![revocation]);
            }
            Err("the subscription has ended".into())
        })
    }
}

fn process(store: &Shared) -> Process {
    process_with(store, |revocations| revocations)
}

fn process_with(store: &Shared, edit: impl FnOnce(Revocations) -> Revocations) -> Process {
    let store = store.clone();
    Process::with(|revocations| edit(revocations.with_store(store)))
}

fn token_id(process: &Process, token: &str) -> Box<str> {
    let verified = process.verifier.verify(token).unwrap();
    verified.claims().token_id.clone().unwrap()
}

mod without_a_task {
    use super::*;

    #[tokio::test]
    async fn a_set_without_a_store_is_current() {
        let alone = Process::with(|revocations| {
            revocations.with_on_outage(OnOutage::Refuse {
                after: Duration::ZERO,
            })
        });
        assert!(alone.revocations.is_synchronized());
        assert_eq!(alone.revocations.stats().store, None);
        alone.assert_valid(&alone.mint(&ada()));
        alone.revocations.read_store().await.unwrap();
    }

    #[tokio::test]
    async fn a_read_carries_revocations_to_another_process() {
        let store = Shared::default();
        let [a, b] = [process(&store), process(&store)];
        let (token, signed_out) = (a.mint(&ada()), a.mint(&grace()));
        a.revocations.revoke_profile(&profile("ada")).await.unwrap();
        let verified = a.verifier.verify(&signed_out).unwrap();
        a.revocations.revoke_token(verified.claims()).await.unwrap();
        b.assert_valid(&token);
        assert!(!b.revocations.is_synchronized());
        b.revocations.read_store().await.unwrap();
        assert!(b.revocations.is_synchronized());
        b.assert_revoked(&token);
        b.assert_revoked(&signed_out);
        // A login at the process that has read it works in the same second.
        b.assert_valid(&b.mint(&ada()));
    }

    #[tokio::test]
    async fn a_failed_write_is_in_force_here_and_is_repeated() {
        let store = Shared::default();
        let [a, b] = [process(&store), process(&store)];
        store.fail(OUTAGE);
        let tokens: Vec<String> = (0..3).map(|_| a.mint(&ada())).collect();
        for token in &tokens {
            let id = token_id(&a, token);
            for _ in 0..2 {
                let error = a.revocations.revoke_token_id(&id).await.unwrap_err();
                assert_eq!(error.kind(), RevokeErrorKind::Store);
                assert!(std::error::Error::source(&error).is_some());
            }
            a.assert_revoked(token);
        }
        let unwritten = || a.revocations.stats().store.unwrap().unwritten;
        assert_eq!(unwritten(), 3, "a repetition is queued once");
        a.revocations.read_store().await.unwrap_err();
        assert_eq!(unwritten(), 3);
        store.fail(Fails::default());
        a.revocations.read_store().await.unwrap();
        assert_eq!(unwritten(), 0);
        b.revocations.read_store().await.unwrap();
        tokens.iter().for_each(|token| b.assert_revoked(token));
    }

    #[tokio::test]
    async fn a_write_whose_caller_went_away_is_repeated() {
        let store = Shared::default();
        let a = process(&store);
        {
            let mut write = std::pin::pin!(a.revocations.revoke_token_id("x"));
            let waker = std::task::Waker::noop();
            let mut cx = std::task::Context::from_waker(waker);
            assert!(write.as_mut().poll(&mut cx).is_pending());
        }
        assert_eq!(store.state().writes, 0);
        assert_eq!(a.revocations.stats().store.unwrap().unwritten, 1);
        a.revocations.read_store().await.unwrap();
        assert_eq!(store.state().revocations.len(), 1);
    }

    #[tokio::test]
    async fn a_store_that_cannot_be_written_is_read() {
        let store = Shared::default();
        let [a, b] = [process(&store), process(&store)];
        a.revocations.revoke_token_id("of a").await.unwrap();
        store.fail(Fails {
            writes: true,
            ..Fails::default()
        });
        b.revocations.revoke_token_id("of b").await.unwrap_err();
        b.revocations.read_store().await.unwrap_err();
        let stats = b.revocations.stats();
        assert_eq!(stats.entries, 2);
        assert!(stats.store.unwrap().is_up);
        assert!(b.revocations.is_synchronized());
    }

    #[tokio::test]
    async fn an_expired_revocation_is_not_written_again() {
        let store = Shared::default();
        let a = process(&store);
        store.fail(OUTAGE);
        a.revocations.revoke_token_id("x").await.unwrap_err();
        a.set_time(NOW + 2 * DAY);
        store.fail(Fails::default());
        a.revocations.read_store().await.unwrap();
        assert_eq!(store.state().writes, 1);
        assert_eq!(a.revocations.stats().store.unwrap().unwritten, 0);
    }

    #[tokio::test]
    async fn the_queue_of_failed_writes_is_bounded() {
        let store = Shared::default();
        let a = process(&store);
        store.fail(OUTAGE);
        for number in 0..10_100 {
            let id = number.to_string();
            a.revocations.revoke_token_id(&id).await.unwrap_err();
        }
        let stats = a.revocations.stats();
        assert_eq!(stats.entries, 10_100);
        assert_eq!(stats.store.unwrap().unwritten, 10_000);
    }

    #[tokio::test]
    async fn revocations_beyond_the_capacity_are_counted() {
        let store = Shared::default();
        let a = process(&store);
        for id in ["x", "y", "z"] {
            a.revocations.revoke_token_id(id).await.unwrap();
        }
        let b = process_with(&store, |revocations| revocations.with_capacity(1));
        b.revocations.read_store().await.unwrap();
        let stats = b.revocations.stats();
        assert_eq!((stats.entries, stats.rejected), (1, 2));
    }

    #[tokio::test]
    async fn the_age_of_the_last_read_is_in_the_stats() {
        let store = Shared::default();
        let a = process(&store);
        let stats = || a.revocations.stats().store.unwrap();
        assert_eq!((stats().is_up, stats().last_read), (false, None));
        a.revocations.read_store().await.unwrap();
        a.set_time(NOW + 7);
        let age = Some(Duration::from_secs(7));
        assert_eq!((stats().is_up, stats().last_read), (true, age));
        store.fail(OUTAGE);
        a.revocations.read_store().await.unwrap_err();
        assert_eq!((stats().is_up, stats().last_read), (false, age));
        // A clock that was set back.
        a.set_time(NOW - 7);
        assert_eq!(stats().last_read, Some(Duration::ZERO));
    }
}

mod outages {
    use std::convert::Infallible;

    use http::{Request, Response, StatusCode};
    use omneo_id::auth::{AuthFailure, VerifyErrorKind};
    use omneo_id::{JwtAuthLayer, Rejection, RejectionKind};
    use tower::{Layer, ServiceExt, service_fn};

    use super::*;

    fn refusing(store: &Shared) -> Process {
        process_with(store, |revocations| {
            revocations.with_on_outage(OnOutage::Refuse {
                after: Duration::from_secs(60),
            })
        })
    }

    #[tokio::test]
    async fn a_process_that_refuses_needs_a_first_read() {
        let store = Shared::default();
        let a = refusing(&store);
        let token = a.mint(&ada());
        assert_eq!(a.check(&token), Err(VerifyErrorKind::RevocationsStale));
        a.revocations.read_store().await.unwrap();
        a.assert_valid(&token);
    }

    #[tokio::test]
    async fn a_process_refuses_after_the_tolerated_time_and_recovers() {
        let store = Shared::default();
        let a = refusing(&store);
        a.revocations.read_store().await.unwrap();
        let (token, ended) = (a.mint(&ada()), a.mint(&ada()));
        let id = token_id(&a, &ended);
        a.revocations.revoke_token_id(&id).await.unwrap();
        store.fail(OUTAGE);
        a.set_time(NOW + 60);
        a.revocations.read_store().await.unwrap_err();
        a.assert_valid(&token);
        a.set_time(NOW + 61);
        // Cached and new tokens.
        for token in [&token, &a.mint(&ada())] {
            assert_eq!(a.check(token), Err(VerifyErrorKind::RevocationsStale));
        }
        // Whatever the store has, these are invalid.
        a.assert_revoked(&ended);
        assert_eq!(a.check("x.y.z"), Err(VerifyErrorKind::Malformed));
        store.fail(Fails::default());
        a.revocations.read_store().await.unwrap();
        a.assert_valid(&token);
    }

    #[tokio::test]
    async fn a_process_serves_by_default() {
        let store = Shared::default();
        let a = process(&store);
        let token = a.mint(&ada());
        a.assert_valid(&token);
        a.revocations.read_store().await.unwrap();
        store.fail(OUTAGE);
        a.set_time(NOW + 3000);
        a.revocations.read_store().await.unwrap_err();
        a.assert_valid(&token);
    }

    #[tokio::test]
    async fn the_layer_answers_503_with_retry_after() {
        let a = refusing(&Shared::default());
        let token = a.mint(&ada());
        let service = |_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) };
        let layer = JwtAuthLayer::new(a.verifier.clone());
        let request = |content_type: &str| {
            Request::builder()
                .header("authorization", format!("Bearer {token}"))
                .header("content-type", content_type)
                .body(())
                .unwrap()
        };
        let call = |request| layer.layer(service_fn(service)).oneshot(request);
        let response = call(request("text/plain")).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], "5");
        assert!(!response.headers().contains_key("www-authenticate"));
        let rejection = response.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.kind(), RejectionKind::RevocationUnavailable);
        let failure = AuthFailure::from_rejection(rejection).unwrap();
        assert_eq!(failure.code(), "revocations_stale");
        // UNAVAILABLE, which gRPC clients retry.
        let response = call(request("application/grpc")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["grpc-status"], "14");
    }
}

#[cfg(feature = "client")]
mod with_a_task {
    use tokio::task::JoinHandle;
    use tokio::time::{Instant, sleep, timeout};

    use super::*;
    use crate::support::logs::Log;

    fn spawn(process: &Process) -> JoinHandle<Infallible> {
        tokio::spawn(process.revocations.synchronize())
    }

    /// Lets the tasks run until they wait for time.
    async fn settle() {
        sleep(Duration::from_millis(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_in_force_at_once() {
        let store = Shared::default();
        let [a, b] = [process(&store), process(&store)];
        let _tasks = [spawn(&a), spawn(&b)];
        settle().await;
        assert!(a.revocations.is_synchronized() && b.revocations.is_synchronized());
        let reads = store.state().reads;
        let token = a.mint(&ada());
        a.revocations.revoke_profile(&profile("ada")).await.unwrap();
        settle().await;
        b.assert_revoked(&token);
        assert_eq!(store.state().reads, reads, "it came as a message");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_subscription_is_healed_within_the_interval() {
        let store = Shared::default();
        let [a, b] = [process(&store), process(&store)];
        let _tasks = [spawn(&a), spawn(&b)];
        settle().await;
        store.fail(Fails {
            silently: true,
            ..Fails::default()
        });
        for round in 0..20 {
            for process in [&a, &b] {
                process.set_time(NOW + 5 * round);
            }
            let token = a.mint(&ada());
            a.revocations.revoke_profile(&profile("ada")).await.unwrap();
            settle().await;
            b.assert_valid(&token);
            let interval = Revocations::DEFAULT_SYNC_INTERVAL;
            sleep(interval - Duration::from_millis(1)).await;
            b.assert_revoked(&token);
        }
        assert_eq!(store.state().subscriptions, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_interval_can_be_chosen() {
        let store = Shared::default();
        let a = process_with(&store, |revocations| {
            revocations.with_sync_interval(Duration::from_secs(60))
        });
        let _task = spawn(&a);
        sleep(Duration::from_secs(600)).await;
        let reads = store.state().reads;
        assert!((10..=13).contains(&reads), "{reads}");
        // It does not spin.
        let a = process_with(&store, |revocations| {
            revocations.with_sync_interval(Duration::ZERO)
        });
        let _task = spawn(&a);
        sleep(Duration::from_secs(1)).await;
        assert!(store.state().reads < 3000);
        let a = process_with(&store, |revocations| {
            revocations.with_sync_interval(Duration::MAX)
        });
        let _task = spawn(&a);
        settle().await;
        assert!(a.revocations.is_synchronized());
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_logged_once_and_ends_by_itself() {
        let store = Shared::default();
        store.fail(OUTAGE);
        let [a, b] = [process(&store), process(&store)];
        let (log, _guard) = Log::capture();
        let (first, second) = (a.mint(&ada()), a.mint(&ada()));
        let id = token_id(&a, &first);
        let _task = spawn(&a);
        a.revocations.revoke_token_id(&id).await.unwrap_err();
        sleep(Duration::from_secs(3600)).await;
        assert!(!a.revocations.is_synchronized());
        let text = log.text();
        assert_eq!(text.matches("WARN").count(), 1, "{text}");
        assert!(text.contains("no read"), "{text}");
        // About once per interval, not in a storm.
        let reads = store.state().reads;
        assert!((700..2000).contains(&reads), "{reads}");
        let subscriptions = store.state().subscriptions;
        assert!((700..2000).contains(&subscriptions), "{subscriptions}");

        store.fail(Fails::default());
        sleep(Revocations::DEFAULT_SYNC_INTERVAL).await;
        assert!(a.revocations.is_synchronized());
        b.revocations.read_store().await.unwrap();
        b.assert_revoked(&first);
        b.revocations.revoke_profile(&profile("ada")).await.unwrap();
        settle().await;
        a.assert_revoked(&second);
        sleep(Duration::from_secs(3600)).await;
        let text = log.text();
        let lines = text.lines().filter(|line| !line.contains(" ended="));
        let lines: Vec<&str> = lines.collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[1].contains("INFO"), "{text}");
        // The next outage is logged again.
        store.fail(OUTAGE);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(log.text().matches("WARN").count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_subscription_that_fails_alone_is_logged_once() {
        let store = Shared::default();
        let [a, b] = [process(&store), process(&store)];
        let (log, _guard) = Log::capture();
        store.fail(Fails {
            subscriptions: true,
            ..Fails::default()
        });
        let _task = spawn(&a);
        sleep(Duration::from_secs(600)).await;
        let text = log.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("no subscription"), "{text}");
        let token = b.mint(&ada());
        b.revocations.revoke_profile(&profile("ada")).await.unwrap();
        sleep(Revocations::DEFAULT_SYNC_INTERVAL).await;
        a.assert_revoked(&token);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_set_is_logged_once() {
        let store = Shared::default();
        let a = process(&store);
        for id in ["x", "y", "z"] {
            a.revocations.revoke_token_id(id).await.unwrap();
        }
        let b = process_with(&store, |revocations| revocations.with_capacity(1));
        let (log, _guard) = Log::capture();
        let _task = spawn(&b);
        sleep(Duration::from_secs(60)).await;
        let text = log.text();
        assert_eq!(text.matches("ERROR").count(), 1, "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_task_ends_with_its_future_and_waits_without_a_store() {
        let store = Shared::default();
        let a = process(&store);
        let task = spawn(&a);
        settle().await;
        task.abort();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(store.state().reads, 1);
        let start = Instant::now();
        let alone = Process::new();
        let hour = Duration::from_secs(3600);
        timeout(hour, alone.revocations.synchronize())
            .await
            .unwrap_err();
        assert_eq!(start.elapsed(), hour);
    }

    #[tokio::test(start_paused = true)]
    async fn expired_entries_are_evicted_without_further_revocations() {
        let store = Shared::default();
        let a = process(&store);
        let _task = spawn(&a);
        a.revocations.revoke_token_id("x").await.unwrap();
        assert_eq!(a.revocations.stats().entries, 1);
        a.set_time(NOW + 2 * DAY);
        sleep(Revocations::DEFAULT_SYNC_INTERVAL).await;
        assert_eq!(a.revocations.stats().entries, 0);
    }
}
