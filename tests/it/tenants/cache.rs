//! Tenants of a source, behind a cache.

use std::collections::HashMap;
use std::error::Error;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use omneo_id::error::BoxError;
use omneo_id::sandbox::Sandbox;
use omneo_id::tenants::{LoadedTenant, TenantCache, TenantKey, TenantLoadError, TenantSource};
use omneo_id::{
    AccessPolicy, Body, OmneoIdTenants, Rejection, RejectionKind, Revocations, Subject,
};
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::advance;
use tower::ServiceExt;

use super::{BRANDS, Network, api_token, begun, builder, by_host, key, request_to, send};
use crate::support::logs::Log;
use crate::support::tenants::settle;
use crate::support::{CollectedResponse, TestClock, bearer};

/// The response of a scripted source to one key.
#[derive(Clone)]
enum Row {
    /// A tenant of this version. With an odd one, `/profiles/me/balances` is denied.
    Version(u32),
    Audience(&'static str),
    Incomplete,
    Failure,
    Panic,
    /// Responds when it is notified, with this version.
    Gate(Arc<Notify>, u32),
    Never,
}

/// A source that the test changes, and the keys that were loaded. Keys without a row do not exist.
#[derive(Clone, Default)]
struct Database {
    rows: Arc<Mutex<HashMap<String, Row>>>,
    loads: Arc<Mutex<Vec<String>>>,
    clock: Option<TestClock>,
}

impl Database {
    fn set(&self, name: &str, row: Row) {
        self.rows.lock().unwrap().insert(name.to_owned(), row);
    }

    fn remove(&self, name: &str) {
        self.rows.lock().unwrap().remove(name);
    }

    /// The keys that were loaded since the last call.
    fn take_loads(&self) -> Vec<String> {
        std::mem::take(&mut *self.loads.lock().unwrap())
    }

    fn tenant(&self, name: &str, version: u32) -> Result<Option<LoadedTenant>, BoxError> {
        let mut builder = builder(name, self.clock.as_ref().unwrap());
        if version % 2 == 1 {
            builder = builder.access_policy(AccessPolicy::allow_all().deny("*", "/balances")?);
        }
        Ok(Some(LoadedTenant::new(builder, version.to_string())))
    }
}

impl TenantSource for Database {
    async fn load(&self, key: TenantKey) -> Result<Option<LoadedTenant>, BoxError> {
        let name = key.as_str();
        self.loads.lock().unwrap().push(name.to_owned());
        let row = self.rows.lock().unwrap().get(name).cloned();
        match row {
            None => Ok(None),
            Some(Row::Version(version)) => self.tenant(name, version),
            Some(Row::Audience(audience)) => {
                let builder = builder(name, self.clock.as_ref().unwrap()).audience(audience);
                Ok(Some(LoadedTenant::new(builder, "1")))
            }
            Some(Row::Incomplete) => Ok(Some(LoadedTenant::new(omneo_id::OmneoId::builder(), "1"))),
            Some(Row::Failure) => Err("the database is not reachable".into()),
            Some(Row::Panic) => panic!("a fault of the source"),
            Some(Row::Gate(gate, version)) => {
                gate.notified().await;
                self.tenant(name, version)
            }
            Some(Row::Never) => std::future::pending().await,
        }
    }
}

struct Mall {
    database: Database,
    cache: TenantCache,
    tenants: OmneoIdTenants<Network>,
    clock: TestClock,
}

impl Mall {
    fn open() -> Self {
        Self::with(|cache| cache)
    }

    /// `acme` and `brand` are in the database.
    fn with(edit: impl FnOnce(TenantCache) -> TenantCache) -> Self {
        let clock = TestClock::start();
        let database = Database {
            clock: Some(clock.clone()),
            ..Database::default()
        };
        for name in BRANDS {
            database.set(name, Row::Version(2));
        }
        let cache = edit(TenantCache::new(database.clone()));
        Self {
            tenants: OmneoIdTenants::from_source(by_host(), cache.clone(), Network::of(&BRANDS)),
            database,
            cache,
            clock,
        }
    }

    /// `GET` of a tenant, without a token. A known tenant responds with 401.
    async fn get(&self, name: &str) -> CollectedResponse {
        send(&self.tenants, name, Request::get("/profiles/me"), "").await
    }

    async fn get_with(&self, name: &str, path: &str, token: &str) -> CollectedResponse {
        let request = Request::get(path.to_owned()).header("authorization", bearer(token));
        send(&self.tenants, name, request, "").await
    }

    async fn raw(&self, name: &str, request: http::request::Builder) -> Response<Body> {
        let request = request_to(name, request, "");
        self.tenants.clone().oneshot(request).await.unwrap()
    }

    /// A token of a loaded tenant.
    fn issue(&self, name: &str) -> String {
        let ada = Subject::Profile(Sandbox::ADA_ID.parse().unwrap());
        let tenants = self.tenants.tenants();
        let issuer = tenants.get(key(name)).unwrap().issuer();
        issuer.issue(&ada).unwrap().into_token()
    }

    /// Requests until the background refresh has ended.
    async fn refresh(&self, name: &str, after: Duration) {
        advance(after).await;
        self.get(name).await;
        settle().await;
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn concurrent_requests_of_a_tenant_wait_for_one_load() {
    let mall = Mall::open();
    let gate = Arc::new(Notify::new());
    mall.database.set("acme", Row::Gate(gate.clone(), 2));
    let first = begun(mall.get("acme")).await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(begun(mall.get("acme")).await);
    }
    assert_eq!(mall.cache.stats().loading, 1);
    // The client that has started the load disconnects.
    drop(first);
    settle().await;
    mall.get("brand").await.expect(401);
    gate.notify_one();
    for request in waiting {
        request.await.expect(401);
    }
    assert_eq!(mall.database.take_loads(), ["acme", "brand"]);
    mall.get("acme").await.expect(401);
    assert!(mall.database.take_loads().is_empty(), "it is cached");
    let stats = mall.cache.stats();
    assert_eq!(
        (stats.tenants, stats.loading, stats.loads, stats.failures),
        (2, 0, 2, 0)
    );
    assert_eq!(mall.tenants.tenants().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_loaded_tenant_serves_requests() {
    let mall = Mall::open();
    let mint = Request::post("/auth/token")
        .header("authorization", bearer(&api_token("acme")))
        .header("content-type", "application/json");
    let body = json!({ "id": Sandbox::ADA_ID }).to_string();
    let response = send(&mall.tenants, "acme", mint, body).await.expect(200);
    let token = response.data()["token"].as_str().unwrap().to_owned();
    mall.get_with("acme", "/profiles/me", &token)
        .await
        .expect(200);
    mall.get_with("brand", "/profiles/me", &token)
        .await
        .expect(401);
    let response = mall.raw("brand", Request::get("/profiles/me")).await;
    assert_eq!(response.extensions().get(), Some(&key("brand")));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_not_loaded_again_until_its_time_has_passed() {
    let ttl = Duration::from_secs(10);
    let mall = Mall::open();
    let route = send(&mall.tenants, "acme", Request::get("/no/route"), "").await;
    mall.database.take_loads();
    for _ in 0..3 {
        let unknown = mall.get("other").await;
        assert_eq!(
            (unknown.status, &unknown.headers, &unknown.body),
            (route.status, &route.headers, &route.body)
        );
    }
    assert_eq!(mall.database.take_loads(), ["other"]);
    // A tenant that was added is found within the time.
    mall.database.set("other", Row::Version(2));
    advance(ttl - Duration::from_millis(1)).await;
    mall.get("other").await.expect(404);
    assert!(mall.database.take_loads().is_empty());
    advance(Duration::from_millis(1)).await;
    mall.get("other").await.expect(401);
    assert_eq!(mall.database.take_loads(), ["other"]);
    mall.get("other").await.expect(401);
}

#[tokio::test(start_paused = true)]
async fn unknown_keys_are_bounded() {
    let mall = Mall::with(|cache| cache.with_unknown_keys(64, MINUTE));
    for number in 0..2_000 {
        mall.get(&format!("k{number}")).await.expect(404);
    }
    let stats = mall.cache.stats();
    assert!(stats.unknown <= 128, "{stats:?}");
    assert_eq!((stats.tenants, stats.loading, stats.loads), (0, 0, 2_000));
    mall.get("acme").await.expect(401);
}

#[tokio::test(start_paused = true)]
async fn tenants_are_bounded() {
    for capacity in [0, 1, 8] {
        let mall = Mall::with(|cache| cache.with_capacity(capacity));
        for number in 0..40 {
            let name = format!("t{number}");
            mall.database.set(&name, Row::Version(2));
            mall.get(&name).await.expect(401);
        }
        let stats = mall.cache.stats();
        assert!(stats.tenants <= 2 * capacity, "{capacity} {stats:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_keeps_a_tenant_of_the_same_version_and_changes_another() {
    let mall = Mall::open();
    mall.get("acme").await.expect(401);
    let token = mall.issue("acme");
    for _ in 0..2 {
        mall.get_with("acme", "/profiles/me/balances", &token)
            .await
            .expect(200);
    }
    let hits = || {
        mall.tenants
            .tenants()
            .get(key("acme"))
            .unwrap()
            .stats()
            .token_cache
            .hits
    };
    assert_eq!(hits(), 1);
    mall.database.take_loads();

    mall.refresh("acme", MINUTE).await;
    assert_eq!(mall.database.take_loads(), ["acme"]);
    mall.get_with("acme", "/profiles/me/balances", &token)
        .await
        .expect(200);
    assert_eq!(hits(), 2, "the same tenant, with its cache");

    mall.database.set("acme", Row::Version(3));
    mall.get_with("acme", "/profiles/me/balances", &token)
        .await
        .expect(200);
    assert!(mall.database.take_loads().is_empty(), "not due");
    mall.refresh("acme", MINUTE).await;
    assert_eq!(mall.database.take_loads(), ["acme"]);
    mall.get_with("acme", "/profiles/me/balances", &token)
        .await
        .expect(403);
}

#[tokio::test(start_paused = true)]
async fn requests_use_the_present_tenant_during_one_refresh() {
    let mall = Mall::open();
    mall.get("acme").await.expect(401);
    let token = mall.issue("acme");
    let gate = Arc::new(Notify::new());
    mall.database.set("acme", Row::Gate(gate.clone(), 3));
    mall.database.take_loads();
    advance(MINUTE).await;
    for _ in 0..10 {
        mall.get_with("acme", "/profiles/me/balances", &token)
            .await
            .expect(200);
        settle().await;
    }
    assert_eq!(mall.database.take_loads(), ["acme"]);
    gate.notify_one();
    settle().await;
    mall.get_with("acme", "/profiles/me/balances", &token)
        .await
        .expect(403);
}

#[tokio::test(start_paused = true)]
async fn a_changed_tenant_of_a_source_does_not_revive_ended_sessions() {
    let mall = Mall::open();
    mall.get("acme").await.expect(401);
    let token = mall.issue("acme");
    let tenants = mall.tenants.tenants();
    let tenant = tenants.get(key("acme")).unwrap();
    tenant.revocations().revoke_all().await.unwrap();
    for version in [3, 4] {
        mall.database.set("acme", Row::Version(version));
        mall.refresh("acme", MINUTE).await;
        mall.get_with("acme", "/profiles/me", &token)
            .await
            .expect(401);
    }
    // Also after the limit of staleness, at which the tenant is not served any more.
    mall.database.set("acme", Row::Failure);
    mall.refresh("acme", 3 * 60 * MINUTE).await;
    mall.get("acme").await.expect(503);
    mall.database.set("acme", Row::Version(4));
    mall.get_with("acme", "/profiles/me", &token)
        .await
        .expect(401);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_stays_in_use_for_a_bounded_time_while_the_source_fails() {
    let mall = Mall::with(|cache| cache.with_max_stale(10 * MINUTE));
    mall.get("acme").await.expect(401);
    mall.database.set("acme", Row::Failure);
    mall.database.take_loads();
    let (log, _guard) = Log::capture();
    for _ in 0..10 {
        mall.refresh("acme", MINUTE).await;
        mall.get("acme").await.expect(401);
    }
    assert_eq!(mall.cache.stats().failures, 10);
    #[cfg(feature = "tracing")]
    {
        let text = log.text();
        assert_eq!(text.matches("could not be refreshed").count(), 1, "{text}");
        assert!(text.contains(r#"tenant.key="acme""#), "{text}");
        assert!(text.contains("the source of tenants failed"), "{text}");
    }
    // A failed refresh is tried again after a second, not with each request.
    mall.database.take_loads();
    for _ in 0..5 {
        mall.get("acme").await.expect(401);
        settle().await;
    }
    assert!(mall.database.take_loads().is_empty());
    mall.refresh("acme", Duration::from_secs(1)).await;
    assert_eq!(mall.database.take_loads(), ["acme"]);

    advance(MINUTE).await;
    mall.get("acme").await.expect(503);
    mall.database.set("acme", Row::Version(2));
    mall.get("acme").await.expect(401);
    #[cfg(feature = "tracing")]
    assert!(log.text().contains("was refreshed again"), "{}", log.text());
    let _ = log;
}

#[tokio::test(start_paused = true)]
async fn a_failed_load_is_a_503_and_is_tried_again() {
    let mall = Mall::open();
    for (row, cause) in [
        (Row::Failure, "the source of tenants failed"),
        (
            Row::Never,
            "the source of tenants did not respond within 5s",
        ),
        (Row::Panic, "the load of the tenant was aborted"),
        (Row::Incomplete, "the settings of the tenant are invalid"),
        (
            Row::Audience("brand"),
            "the settings of the tenant are invalid",
        ),
    ] {
        mall.database.set("acme", row);
        let response = mall.raw("acme", Request::get("/profiles/me")).await;
        assert_eq!(response.status(), 503, "{cause}");
        assert_eq!(response.headers()["retry-after"], "1");
        let rejection: &Rejection = response.extensions().get().unwrap();
        assert_eq!(rejection.kind(), RejectionKind::TenantNotLoaded);
        assert_eq!(rejection.source().unwrap().to_string(), cause);
        assert!(rejection.source().unwrap().is::<TenantLoadError>());
        assert!(response.extensions().get::<TenantKey>().is_none());
        let grpc = Request::post("/x").header("content-type", "application/grpc");
        let response = mall.raw("acme", grpc).await;
        assert_eq!(
            (
                response.status().as_u16(),
                &response.headers()["grpc-status"]
            ),
            (200, &"14".parse().unwrap())
        );
    }
    assert_eq!(mall.cache.stats().loading, 0);
    mall.get("brand").await.expect(401);
    mall.database.set("acme", Row::Version(2));
    mall.get("acme").await.expect(401);
}

#[tokio::test(start_paused = true)]
async fn the_audience_of_a_loaded_tenant_is_its_key() {
    let mall = Mall::open();
    mall.database.set("acme", Row::Audience("acme"));
    mall.get("acme").await.expect(401);
    let tenants = mall.tenants.tenants();
    let issuer = tenants.get(key("acme")).unwrap().issuer();
    let token = issuer.issue(&Subject::Anonymous).unwrap();
    mall.get_with("acme", "/locations", token.token())
        .await
        .expect(200);
    mall.get_with("brand", "/locations", token.token())
        .await
        .expect(401);
}

#[tokio::test(start_paused = true)]
async fn tenants_of_a_source_do_not_share_ended_sessions() {
    let clock = TestClock::start();
    let shared = Revocations::new();
    let cache = TenantCache::new(move |tenant: TenantKey| {
        let builder = builder(tenant.as_str(), &clock).revocations(shared.clone());
        std::future::ready(Ok(Some(LoadedTenant::new(builder, "1"))))
    });
    let tenants = OmneoIdTenants::from_source(by_host(), cache, Network::of(&BRANDS));
    let get = |name| send(&tenants, name, Request::get("/profiles/me"), "");
    get("acme").await.expect(401);
    get("brand").await.expect(503);
    get("acme").await.expect(401);
}

/// Keys that a client invents occupy the loads, and the tenants in use are refreshed nevertheless.
#[tokio::test(start_paused = true)]
async fn loads_are_bounded_and_leave_the_refreshes_of_tenants_in_use() {
    let mall = Mall::with(|cache| cache.with_max_loads(2).with_load_timeout(10 * MINUTE));
    mall.get("acme").await.expect(401);
    let token = mall.issue("acme");
    mall.database.take_loads();
    for number in 0..2 + 1024 {
        let name = format!("k{number}");
        mall.database.set(&name, Row::Never);
        // The client disconnects, and the load continues.
        let mut request = Box::pin(mall.get(&name));
        let poll = poll_fn(|cx| Poll::Ready(request.as_mut().poll(cx)));
        assert!(poll.await.is_pending());
    }
    settle().await;
    assert_eq!(mall.cache.stats().loading, 2 + 1024);
    assert_eq!(mall.database.take_loads(), ["k0", "k1"]);
    let started = tokio::time::Instant::now();
    let response = mall.raw("other", Request::get("/profiles/me")).await;
    assert_eq!(response.status(), 503);
    assert_eq!(started.elapsed(), Duration::ZERO, "it does not wait");
    let rejection: &Rejection = response.extensions().get().unwrap();
    let cause = rejection.source().unwrap().to_string();
    assert_eq!(cause, "1026 tenants are being loaded");
    // A further request of the same tenant waits for its load.
    let _joined = begun(mall.get("k0")).await;

    mall.database.set("acme", Row::Version(3));
    mall.refresh("acme", MINUTE).await;
    mall.get_with("acme", "/profiles/me/balances", &token)
        .await
        .expect(403);
}

#[tokio::test(start_paused = true)]
async fn a_load_waits_for_a_slot_up_to_its_timeout() {
    let mall = Mall::with(|cache| cache.with_max_loads(1).with_load_timeout(2 * MINUTE));
    let gate = Arc::new(Notify::new());
    mall.database.set("acme", Row::Gate(gate.clone(), 2));
    let acme = begun(mall.get("acme")).await;
    let brand = begun(mall.get("brand")).await;
    assert_eq!(mall.database.take_loads(), ["acme"]);
    assert_eq!(mall.cache.stats().loading, 2);
    gate.notify_one();
    acme.await.expect(401);
    brand.await.expect(401);
    assert_eq!(mall.database.take_loads(), ["brand"]);

    // The slot is taken for 2 minutes, then by the key that waits first.
    for name in ["a", "b", "c"] {
        mall.database.set(name, Row::Never);
    }
    let first = begun(mall.get("a")).await;
    advance(MINUTE).await;
    let second = begun(mall.get("b")).await;
    let third = begun(mall.raw("c", Request::get("/profiles/me"))).await;
    advance(MINUTE).await;
    first.await.expect(503);
    settle().await;
    assert_eq!(mall.database.take_loads(), ["a", "b"]);
    advance(MINUTE).await;
    let response = third.await;
    assert_eq!(response.status(), 503);
    let rejection: &Rejection = response.extensions().get().unwrap();
    let cause = rejection.source().unwrap().to_string();
    assert_eq!(cause, "1 tenants are being loaded");
    assert_eq!(mall.cache.stats().loading, 1);
    second.await.expect(503);
    assert!(mall.database.take_loads().is_empty());
    mall.get("acme").await.expect(401);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_was_removed_and_added_again_does_not_revive_ended_sessions() {
    let mall = Mall::open();
    mall.get("acme").await.expect(401);
    let token = mall.issue("acme");
    mall.get_with("acme", "/profiles/me", &token)
        .await
        .expect(200);
    let removed = mall.tenants.tenants();
    for _ in 0..2 {
        let tenants = mall.tenants.tenants();
        let tenant = tenants.get(key("acme")).unwrap();
        tenant.revocations().revoke_all().await.unwrap();
        mall.database.remove("acme");
        mall.refresh("acme", MINUTE).await;
        mall.get("acme").await.expect(404);
        // A refused load between does not lose them.
        advance(Duration::from_secs(10)).await;
        mall.database.set("acme", Row::Incomplete);
        mall.get("acme").await.expect(503);
        mall.database.set("acme", Row::Version(2));
        mall.get_with("acme", "/profiles/me", &token)
            .await
            .expect(401);
    }
    // Requests that have begun before the removal end sessions of the same set.
    let current = mall.tenants.tenants();
    let sets = [&removed, &current].map(|tenants| tenants.get(key("acme")).unwrap());
    let [before, after] = sets.map(|tenant| tenant.revocations());
    before.revoke_token_id("ended").await.unwrap();
    assert_eq!(after.stats().entries, 1);
}

#[tokio::test(start_paused = true)]
async fn an_evicted_tenant_does_not_revive_ended_sessions() {
    for capacity in [0, 1, 8] {
        let mall = Mall::with(|cache| cache.with_capacity(capacity));
        let mut tokens = Vec::new();
        for number in 0..40 {
            let name = format!("t{number}");
            mall.database.set(&name, Row::Version(2));
            let tenant = builder(&name, &mall.clock).audience(&name);
            let tenant = tenant.build_with_client(()).unwrap();
            let ada = Subject::Profile(Sandbox::ADA_ID.parse().unwrap());
            let token = tenant.issuer().issue(&ada).unwrap().into_token();
            let sign_out = Request::delete("/auth/token").header("authorization", bearer(&token));
            send(&mall.tenants, &name, sign_out, "").await.expect(204);
            tokens.push((name, token));
        }
        mall.database.take_loads();
        for (name, token) in tokens {
            mall.get_with(&name, "/profiles/me", &token)
                .await
                .expect(401);
        }
        let loads = mall.database.take_loads().len();
        assert!(loads >= 40 - 2 * capacity, "{loads} of {capacity}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_was_removed_from_the_source_is_unknown_after_a_refresh() {
    let mall = Mall::open();
    mall.get("acme").await.expect(401);
    mall.database.remove("acme");
    mall.get("acme").await.expect(401);
    mall.refresh("acme", MINUTE).await;
    mall.get("acme").await.expect(404);
    assert_eq!(mall.cache.stats().tenants, 0);
    mall.database.set("acme", Row::Version(2));
    advance(Duration::from_secs(10)).await;
    mall.get("acme").await.expect(401);
}

#[tokio::test(start_paused = true)]
async fn a_source_can_be_replaced_by_a_set() {
    let mall = Mall::open();
    mall.get("acme").await.expect(401);
    let token = mall.issue("acme");
    let set = (*mall.tenants.tenants()).clone();
    mall.tenants.replace(set);
    mall.database.take_loads();
    mall.get_with("acme", "/profiles/me", &token)
        .await
        .expect(200);
    mall.get("brand").await.expect(404);
    assert!(mall.database.take_loads().is_empty());
    assert!(mall.clock.now() > 0);
}

/// Without a tokio runtime a load cannot start, and the request fails without a panic.
#[test]
fn a_load_outside_a_runtime_is_a_503() {
    let mall = Mall::open();
    let mut request = Box::pin(mall.get("acme"));
    let Poll::Ready(response) = request
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("the load has failed");
    };
    assert_eq!(response.status, 503);
}
