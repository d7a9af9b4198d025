//! A property of two processes with a shared store, against a naive model.
//!
//! The model records, for each token, when and where it was minted, and for each revocation, its
//! time and the tokens that it names. It has no set, no folding, no expiry of entries, and no `iat`
//! of its own.

use std::sync::atomic::{AtomicU64, Ordering};

use http::Method;
use omneo_id::OmneoId;
use omneo_id::sandbox::Sandbox;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;
use tower::{Layer, service_fn};

use super::*;

const START: u64 = 1_700_000_000;
const LIFETIME: u64 = 60 * 60;
const LEEWAY: u64 = 5;
/// The longest age of a session, in seconds.
const SESSION: u64 = 2 * LIFETIME;
/// Entries are kept for at least a minute longer than their tokens: by so much a clock may be set
/// back.
const MAX_BACK: u64 = 50;
/// By so much the clocks may differ. Verifiers tolerate a part of it.
const MAX_SKEW: u64 = 20;

/// A process, of two.
type Which = usize;

#[derive(Clone, Debug)]
enum Step {
    Mint(Which, Owner),
    /// The token is that with this index, modulo their number.
    Use(Which, usize),
    SignOut(Which, usize),
    Refresh(Which, usize),
    RevokeToken(Which, usize),
    RevokeProfile(Which, Owner),
    RevokeAll(Which),
    /// Time passes for both.
    Pass(u64),
    /// The clock of a process is set forward.
    Forward(Which, u64),
    /// The clock of a process is set back, but not before what it was `MAX_BACK` ago.
    Back(Which, u64),
    /// A process reads the store.
    Sync(Which),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Owner {
    Ada,
    Grace,
    Anonymous,
}

fn step() -> impl Strategy<Value = Step> {
    let which = || 0_usize..2;
    let token = || 0_usize..64;
    let owner = || {
        prop_oneof![
            3 => Just(Owner::Ada),
            1 => Just(Owner::Grace),
            1 => Just(Owner::Anonymous),
        ]
    };
    let profile = prop_oneof![3 => Just(Owner::Ada), 1 => Just(Owner::Grace)];
    let seconds = prop_oneof![6 => 1_u64..4, 2 => 4_u64..60, 1 => 60_u64..5000];
    prop_oneof![
        6 => (which(), owner()).prop_map(|(at, owner)| Step::Mint(at, owner)),
        6 => (which(), token()).prop_map(|(at, token)| Step::Use(at, token)),
        2 => (which(), token()).prop_map(|(at, token)| Step::SignOut(at, token)),
        4 => (which(), token()).prop_map(|(at, token)| Step::Refresh(at, token)),
        2 => (which(), token()).prop_map(|(at, token)| Step::RevokeToken(at, token)),
        2 => (which(), profile).prop_map(|(at, owner)| Step::RevokeProfile(at, owner)),
        1 => which().prop_map(Step::RevokeAll),
        5 => seconds.prop_map(Step::Pass),
        3 => (which(), 1_u64..10).prop_map(|(at, by)| Step::Forward(at, by)),
        3 => (which(), 1_u64..10).prop_map(|(at, by)| Step::Back(at, by)),
        4 => which().prop_map(Step::Sync),
    ]
}

/// A token, as the model sees it.
struct Token {
    text: String,
    id: String,
    owner: Owner,
    /// Where it was minted, and the time there.
    minted: (Which, u64),
    /// From its claims, which clients can read.
    iat: u64,
    exp: u64,
    session_start: u64,
}

/// A revocation, as the model sees it.
struct Ended {
    at: Which,
    time: u64,
    /// The latest `iat` that is ended for certain: the time, or that of a token which the process
    /// has minted ahead of it.
    until: u64,
    what: What,
    /// The number of tokens that existed.
    tokens: usize,
    /// Whether each process knows of it.
    known: [bool; 2],
}

enum What {
    Token(String),
    Owner(Owner),
    All,
}

impl Ended {
    fn names(&self, token: &Token) -> bool {
        match &self.what {
            What::Token(id) => token.id == *id,
            What::Owner(owner) => token.owner == *owner,
            What::All => true,
        }
    }

    /// Whether a process that knows of the revocation must refuse the token: it was minted before,
    /// and not at a later time than that of the revocation.
    fn must_refuse(&self, index: usize, token: &Token) -> bool {
        if !self.names(token) {
            return false;
        }
        match self.what {
            What::Token(_) => true,
            // A process cannot know which tokens another process has minted one second ahead.
            What::Owner(_) | What::All => {
                let (at, time) = token.minted;
                let is_own = at == self.at && index < self.tokens && time <= self.time;
                is_own || token.iat <= self.time
            }
        }
    }

    /// Whether a process that knows of the revocation may refuse the token: it existed, or its
    /// process did not know of the revocation and its clock was not later.
    fn may_refuse(&self, index: usize, token: &Token) -> bool {
        self.names(token)
            && match self.what {
                What::Token(_) => true,
                What::Owner(_) | What::All => index < self.tokens || token.iat <= self.until,
            }
    }
}

/// Two processes with one store, and the model of both.
struct World {
    shops: Vec<Shop>,
    clocks: Vec<Arc<AtomicU64>>,
    /// The latest time of each clock.
    latest: Vec<u64>,
    sets: Vec<Revocations>,
    store: Store,
    rotates: bool,
    tokens: Vec<Token>,
    ended: Vec<Ended>,
}

impl World {
    /// The profiles of the tenant do not change, so all cases share it.
    fn new(tenant: &Shop, rotates: bool) -> Self {
        let store = Store::working();
        let clocks: Vec<_> = (0..2).map(|_| Arc::new(AtomicU64::new(START))).collect();
        let mut sets = Vec::new();
        let mut shops = Vec::new();
        for clock in &clocks {
            let read = || {
                let clock = Arc::clone(clock);
                move || clock.load(Ordering::Relaxed)
            };
            let set = Revocations::new()
                .with_clock(read())
                .with_store(store.clone());
            let refresh = omneo_id::token::Refresh::new(std::time::Duration::from_secs(SESSION));
            let refresh = refresh.unwrap();
            let id = OmneoId::builder()
                .upstream("https://api.sandbox.getomneo.com")
                .unwrap()
                .api_token(Sandbox::API_TOKEN)
                .signing_key(SigningKey::hs256(SECRET).unwrap())
                .clock(read())
                .revocations(set.clone())
                .refresh(if rotates { refresh.rotate() } else { refresh })
                .build_with_client(tenant.sandbox.clone())
                .unwrap();
            sets.push(set);
            shops.push(Shop {
                id,
                sandbox: tenant.sandbox.clone(),
                clock: tenant.clock.clone(),
            });
        }
        Self {
            shops,
            clocks,
            latest: vec![START; 2],
            sets,
            store,
            rotates,
            tokens: Vec::new(),
            ended: Vec::new(),
        }
    }

    fn now(&self, at: Which) -> u64 {
        self.clocks[at].load(Ordering::Relaxed)
    }

    fn set_clock(&mut self, at: Which, now: u64) {
        self.clocks[at].store(now, Ordering::Relaxed);
        self.latest[at] = self.latest[at].max(now);
    }

    fn add(&mut self, at: Which, text: String, owner: Owner, session_start: Option<u64>) {
        let claims = claims(&text);
        let iat = claims["iat"].as_u64().unwrap();
        self.tokens.push(Token {
            id: claims["jti"].as_str().unwrap().to_owned(),
            owner,
            minted: (at, self.now(at)),
            iat,
            exp: claims["exp"].as_u64().unwrap(),
            session_start: session_start.unwrap_or(iat),
            text,
        });
    }

    fn end(&mut self, at: Which, what: What) {
        let mut known = [false; 2];
        known[at] = true;
        let time = self.now(at);
        let own = self.tokens.iter().filter(|token| token.minted.0 == at);
        let ahead = own.filter(|token| token.iat > token.minted.1);
        self.ended.push(Ended {
            at,
            time,
            until: ahead.map(|token| token.iat).fold(time, u64::max),
            what,
            tokens: self.tokens.len(),
            known,
        });
    }

    /// The tokens whose times a process accepts.
    fn is_timely(&self, at: Which, token: &Token) -> bool {
        let now = self.now(at);
        now < token.exp + LEEWAY && token.iat <= now + LEEWAY
    }

    fn index(&self, token: usize) -> Option<usize> {
        token.checked_rem(self.tokens.len())
    }

    /// Whether the process must refuse a token, and whether it may.
    fn verdict(&self, at: Which, index: usize) -> (bool, bool) {
        let token = &self.tokens[index];
        let timely = self.is_timely(at, token);
        let known = || self.ended.iter().filter(|ended| ended.known[at]);
        let must = known().any(|ended| ended.must_refuse(index, token));
        let may = known().any(|ended| ended.may_refuse(index, token));
        (!timely || must, !timely || may)
    }

    fn check(&self, at: Which, index: usize, accepted: bool) -> Result<(), TestCaseError> {
        let (must, may) = self.verdict(at, index);
        let token = &self.tokens[index];
        prop_assert!(
            !(accepted && must),
            "token {index} of {:?} minted {:?} iat {} is accepted by process {at} at {}",
            token.owner,
            token.minted,
            token.iat,
            self.now(at)
        );
        prop_assert!(
            accepted || may,
            "token {index} of {:?} minted {:?} iat {} is refused by process {at} at {}",
            token.owner,
            token.minted,
            token.iat,
            self.now(at)
        );
        Ok(())
    }

    async fn accepts(&self, at: Which, index: usize) -> bool {
        let token = &self.tokens[index].text;
        let request = request(Method::GET, "/", token);
        let service = service_fn(async |_: Request<Full<Bytes>>| {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        });
        let service = self.shops[at].id.auth_layer().layer(service);
        send(service, request).await.status() == 200
    }

    async fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Mint(at, owner) => {
                let body = match owner {
                    Owner::Ada => json!({ "id": Sandbox::ADA_ID }),
                    Owner::Grace => json!({ "id": Sandbox::GRACE_ID }),
                    Owner::Anonymous => json!({}),
                };
                let text = self.shops[at].mint(&body).await;
                self.add(at, text, owner, None);
            }
            Step::Use(at, token) => {
                if let Some(index) = self.index(token) {
                    let accepted = self.accepts(at, index).await;
                    self.check(at, index, accepted)?;
                }
            }
            Step::SignOut(at, token) => {
                if let Some(index) = self.index(token) {
                    let response = self.shops[at].sign_out(&self.tokens[index].text).await;
                    self.check(at, index, response.status == 204)?;
                    if response.status == 204 {
                        self.end(at, What::Token(self.tokens[index].id.clone()));
                    }
                }
            }
            Step::Refresh(at, token) => {
                let Some(index) = self.index(token) else {
                    return Ok(());
                };
                let response = self.shops[at].refresh(&self.tokens[index].text).await;
                self.shops[at].sandbox.take_requests();
                let token = &self.tokens[index];
                let (owner, start) = (token.owner, token.session_start);
                let now = self.now(at);
                let refreshed = response.status == 200;
                if refreshed {
                    self.check(at, index, true)?;
                    prop_assert_ne!(owner, Owner::Anonymous);
                    prop_assert!(now < start + SESSION);
                    let text = token_of(&response);
                    let auth_time = claims(&text)["auth_time"].as_u64().unwrap();
                    prop_assert!(auth_time <= start);
                    if self.rotates {
                        self.end(at, What::Token(self.tokens[index].id.clone()));
                    }
                    self.add(at, text, owner, Some(auth_time));
                    let token = self.tokens.last().unwrap();
                    prop_assert!(token.exp <= auth_time + SESSION);
                } else {
                    prop_assert_eq!(response.status, 401);
                    let is_refreshable = owner != Owner::Anonymous && now < start + SESSION;
                    // The start may be earlier than `iat`, if the clock was set back.
                    let is_near = now + MAX_BACK >= start + SESSION;
                    let (_, may) = self.verdict(at, index);
                    prop_assert!(may || !is_refreshable || is_near, "not refreshed: {index}");
                }
            }
            Step::RevokeToken(at, token) => {
                if let Some(index) = self.index(token) {
                    let id = self.tokens[index].id.clone();
                    let response = self.shops[at].revoke(&json!({ "jti": id })).await;
                    prop_assert_eq!(response.status, 204);
                    self.end(at, What::Token(id));
                }
            }
            Step::RevokeProfile(at, owner) => {
                let id = match owner {
                    Owner::Ada => Sandbox::ADA_ID,
                    Owner::Grace | Owner::Anonymous => Sandbox::GRACE_ID,
                };
                let response = self.shops[at].revoke(&json!({ "id": id })).await;
                prop_assert_eq!(response.status, 204);
                self.end(at, What::Owner(owner));
            }
            Step::RevokeAll(at) => {
                let response = self.shops[at].revoke(&json!({ "all": true })).await;
                prop_assert_eq!(response.status, 204);
                self.end(at, What::All);
            }
            Step::Pass(by) => {
                self.set_clock(0, self.now(0) + by);
                self.set_clock(1, self.now(1) + by);
            }
            Step::Forward(at, by) => {
                let latest = self.now(1 - at) + MAX_SKEW;
                self.set_clock(at, latest.min(self.now(at) + by));
            }
            Step::Back(at, by) => {
                let earliest = (self.latest[at] - MAX_BACK).max(self.now(1 - at) - MAX_SKEW);
                self.set_clock(at, earliest.max(self.now(at) - by));
            }
            Step::Sync(at) => {
                for revocation in self.store.written() {
                    self.sets[at].apply(&revocation).unwrap();
                }
                for ended in &mut self.ended {
                    ended.known[at] = true;
                }
                self.sets[at].evict_expired();
            }
        }
        Ok(())
    }

    /// Uses every token at both processes.
    async fn check_all(&self) -> Result<(), TestCaseError> {
        for at in 0..2 {
            for index in 0..self.tokens.len() {
                let accepted = self.accepts(at, index).await;
                self.check(at, index, accepted)?;
            }
        }
        Ok(())
    }
}

#[test]
fn tokens_are_accepted_and_refused_as_the_model_says() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let config = Config {
        cases: std::env::var("PROPTEST_CASES").map_or(64, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        ..Config::default()
    };
    let tenant = Shop::open();
    let steps = (any::<bool>(), proptest::collection::vec(step(), 1..60));
    TestRunner::new(config)
        .run(&steps, |(rotates, steps)| {
            runtime.block_on(async {
                let mut world = World::new(&tenant, rotates);
                for step in &steps {
                    world.step(step).await?;
                }
                world.check_all().await?;
                for at in 0..2 {
                    world.step(&Step::Sync(at)).await?;
                }
                world.check_all().await
            })
        })
        .unwrap_or_else(|error| panic!("{error}"));
}
