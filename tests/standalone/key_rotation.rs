//! The rotation of the signing key, as the page on deployment describes it: two processes reload
//! their configuration one after another, while clients use and replace their tokens.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use omneo_id::sandbox::Sandbox;
use omneo_id::{Keyring, SigningKey, Subject, TokenIssuer};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::process::{MOUNT, SECRET, Server, get_as};
use crate::raw_client::PATIENCE;
use crate::temporary::Directory;

/// Clients that send requests one after another.
const CLIENTS: usize = 4;
/// The lifetime of tokens in seconds.
const TOKEN_TTL: u64 = 2;
/// The age at which a client replaces its token. It is accepted for 6 s longer, with the leeway.
const REPLACED_AFTER: Duration = Duration::from_secs(1);
/// Requests between two changes.
const REQUESTS: usize = 50;

/// A key file, and the key id of its tokens.
struct Key {
    file: PathBuf,
    id: Option<&'static str>,
}

#[tokio::test]
async fn a_secret_is_rotated_without_a_401() {
    let directory = Directory::new();
    let next = SECRET.replace('8', "9");
    let keys = [("old", SECRET), ("new", &next)].map(|(name, secret)| {
        let file = directory.join(name);
        std::fs::write(&file, secret).unwrap();
        Key { file, id: None }
    });
    rotate(&directory, &keys).await;
}

#[tokio::test]
async fn a_key_is_replaced_by_one_of_another_algorithm_without_a_401() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
    let keys = [("ed25519.pem", "2025"), ("p256.pem", "2026")].map(|(name, id)| Key {
        file: folder.join(name),
        id: Some(id),
    });
    rotate(&Directory::new(), &keys).await;
}

/// The steps of the page.
async fn rotate(directory: &Directory, [old, new]: &[Key; 2]) {
    configure(directory, old, None);
    let config = directory.join("omneo-id.toml");
    // Without the lines of requests.
    let log = "warn,standalone::reload=info";
    let flags = ["--config", config.to_str().unwrap(), "--log", log];
    let servers: [Server; 2] = std::array::from_fn(|_| Server::start(&flags, &[]));
    let load = Arc::new(Load::new(servers));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(Arc::clone(&load).run_client());
    }
    // A token that does not expire during the test.
    let long_lived = sign(old);
    load.requests().await;

    configure(directory, old, Some(new));
    for server in &load.servers {
        load.reload(server).await;
    }

    configure(directory, new, Some(old));
    for server in &load.servers {
        // Until the second reload, one process signs with the new key, the other with the old one.
        load.reload(server).await;
    }
    let swapped = SystemTime::now();
    for server in &load.servers {
        assert_eq!(
            me(server, &long_lived).await,
            200,
            "the old key still verifies"
        );
        assert_eq!(me(server, &sign(new)).await, 200, "the new key verifies");
    }

    let replaced = timeout(PATIENCE, load.tokens_minted_after(swapped));
    replaced.await.expect("the clients replace their tokens");
    configure(directory, new, None);
    for server in &load.servers {
        load.reload(server).await;
        assert_eq!(me(server, &long_lived).await, 401, "the old key is removed");
    }

    load.is_stopped.store(true, Ordering::SeqCst);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let load = Arc::into_inner(load).unwrap();
    assert_eq!(*load.failures.lock().unwrap(), [""; 0]);
    for server in load.servers {
        let ended = server.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}

/// Writes the configuration of both processes.
fn configure(directory: &Directory, signing: &Key, verifying: Option<&Key>) {
    let id = signing.id.map(|id| format!("key_id = {id:?}\n"));
    let verifying = verifying.map(|key| format!("verifying_key_file = [{:?}]\n", key.file));
    let text = format!(
        "[[tenant]]\nkey = \"acme\"\nsandbox = true\ntoken_ttl = \"{TOKEN_TTL}s\"\n\
         signing_key_file = {:?}\n{}{}",
        signing.file,
        id.unwrap_or_default(),
        verifying.unwrap_or_default()
    );
    std::fs::write(directory.join("omneo-id.toml"), text).unwrap();
}

/// A token of this key.
fn sign(key: &Key) -> String {
    let content = std::fs::read(&key.file).unwrap();
    let signing = match key.id {
        Some(id) => SigningKey::from_pem(&content)
            .unwrap()
            .with_key_id(id)
            .unwrap(),
        None => SigningKey::hs256(content).unwrap(),
    };
    let issuer = TokenIssuer::new(Keyring::new(signing));
    let issuer = issuer.with_audience("acme").unwrap();
    let profile = Subject::Profile(Sandbox::ADA_ID.parse().unwrap());
    issuer.issue(&profile).unwrap().token().to_owned()
}

/// The status of `GET /profiles/me`.
async fn me(server: &Server, token: &str) -> u16 {
    let response = server.send(get_as(token, &format!("{MOUNT}/profiles/me")));
    response.await.status().as_u16()
}

/// Two processes, and the requests to them.
struct Load {
    servers: [Server; 2],
    is_stopped: AtomicBool,
    requests: AtomicUsize,
    failures: Mutex<Vec<String>>,
    /// The time of the mint of each client's token.
    minted: Mutex<Vec<SystemTime>>,
}

impl Load {
    fn new(servers: [Server; 2]) -> Self {
        Self {
            servers,
            is_stopped: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            failures: Mutex::default(),
            minted: Mutex::default(),
        }
    }

    /// Uses one token after another at both processes in turn.
    async fn run_client(self: Arc<Self>) {
        let client = {
            let mut minted = self.minted.lock().unwrap();
            minted.push(SystemTime::UNIX_EPOCH);
            minted.len() - 1
        };
        let mut servers = self.servers.iter().cycle().skip(client);
        let (mut token, mut minted) = (String::new(), SystemTime::UNIX_EPOCH);
        while !self.is_stopped.load(Ordering::SeqCst) {
            let Some(server) = servers.next() else { return };
            if minted.elapsed().is_ok_and(|age| age > REPLACED_AFTER) {
                minted = SystemTime::now();
                let body = json!({ "id": Sandbox::ADA_ID }).to_string();
                token = server.mint(Sandbox::API_TOKEN, &body).await;
                self.minted.lock().unwrap()[client] = minted;
                // The next request is to the other process.
                continue;
            }
            let status = me(server, &token).await;
            self.requests.fetch_add(1, Ordering::SeqCst);
            if status != 200 {
                let failure = format!("{status} for a token that is {:?} old", minted.elapsed());
                self.failures.lock().unwrap().push(failure);
            }
        }
    }

    /// Waits for further requests.
    async fn requests(&self) {
        let before = self.requests.load(Ordering::SeqCst);
        let sent = async {
            while self.requests.load(Ordering::SeqCst) < before + REQUESTS {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, sent)
            .await
            .expect("the clients send requests");
    }

    /// Waits until each client has a token that was minted after this time.
    async fn tokens_minted_after(&self, time: SystemTime) {
        while self
            .minted
            .lock()
            .unwrap()
            .iter()
            .any(|&minted| minted <= time)
        {
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Reloads the configuration of a process, and waits for further requests.
    async fn reload(&self, server: &Server) {
        const RELOADED: &str = "the configuration is reloaded";
        let before = server.logged(RELOADED);
        server.signal("HUP");
        let reloaded = async {
            while server.logged(RELOADED) == before {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, reloaded)
            .await
            .expect("the process reloads");
        self.requests().await;
    }
}
