//! Public collections, whose sources and licences are in `data/public/README.md`. Every line is
//! replayed at every suitable place of a request: unchanged, and redirected to a profile.

use std::env;
use std::fs;

use omneo_id::sandbox::Sandbox;

use super::setup::{Setup, get, lines, statuses, unescape};

const MOUNT: &str = "/id/api/v1";

/// The targets of a path list. In the lists, `PATH` is the placeholder.
const TARGETS: [&str; 3] = [
    "id/api/v1/profiles/me",
    "id/api/v1/profiles/me/lists/wishlist",
    "id/api/v1/profiles/{grace}",
];

/// Paths to which a line is appended.
const BASES: [&str; 2] = ["/id/api/v1/profiles/me", "/id/api/v1/profiles/me/lists"];

const PATHS: [&str; 2] = [
    include_str!("../data/public/forbidden-paths.txt"),
    include_str!("../data/public/websecprobe-paths.txt"),
];

const HEADERS: [&str; 2] = [
    include_str!("../data/public/forbidden-headers.txt"),
    include_str!("../data/public/websecprobe-headers.txt"),
];

const REQUESTS: [&str; 3] = [
    include_str!("../data/public/gunicorn.txt"),
    include_str!("../data/public/http-parser.txt"),
    include_str!("../data/public/coreruleset.txt"),
];

fn all(tables: &[&'static str]) -> impl Iterator<Item = &'static str> {
    tables.iter().flat_map(|table| lines(table))
}

/// The number of replayed requests, and of those that reached the tenant. The latter must not be
/// zero: otherwise the lists would prove nothing.
#[derive(Debug, Default)]
struct ReplayCount {
    replayed: usize,
    forwarded: usize,
}

impl ReplayCount {
    async fn replay(&mut self, setup: &Setup, target: &[u8], more: &[u8]) {
        let attack = get(target, more, &setup.token);
        self.add(setup.check(&attack, &setup.send(&attack).await));
    }

    fn add(&mut self, forwarded: usize) {
        self.replayed += 1;
        self.forwarded += forwarded;
    }
}

#[tokio::test]
async fn the_setup_is_reachable() {
    let setup = Setup::mounted(MOUNT).await;
    let valid = get(b"/id/api/v1/profiles/me/lists", b"", &setup.token);
    assert_eq!(statuses(&setup.send(&valid).await), [200]);
    assert_eq!(setup.sandbox.take_requests().len(), 1);
}

#[tokio::test]
async fn every_path_of_a_public_list_stays_within_the_profile() {
    let setup = Setup::mounted(MOUNT).await;
    let mut count = ReplayCount::default();
    for line in all(&PATHS) {
        for aim in TARGETS {
            let target = setup.fill(&line.replace("PATH", aim));
            count.replay(&setup, &target, b"").await;
        }
        for base in BASES {
            let target = setup.fill(&format!("{base}{}", line.replace("PATH", "{grace}")));
            count.replay(&setup, &target, b"").await;
        }
    }
    println!("{count:?}");
    assert!(count.replayed > 9_000 && count.forwarded > 800, "{count:?}");
}

/// Lists whose licence does not allow copies here, such as those of wfuzz and dirb. The files that
/// `OMNEO_ID_PATH_LISTS` names, separated by `:`, are replayed too.
#[tokio::test]
async fn every_path_of_other_lists_stays_within_the_profile() {
    let setup = Setup::mounted(MOUNT).await;
    let named = env::var("OMNEO_ID_PATH_LISTS").unwrap_or_default();
    let own = ["../../{grace}".to_owned(), "..%2f..%2f{grace}".to_owned()];
    let mut count = ReplayCount::default();
    let files = named.split(':').filter(|file| !file.is_empty());
    let foreign = files.flat_map(|file| {
        let list = fs::read(file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let list = String::from_utf8_lossy(&list).into_owned();
        list.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    for line in own.into_iter().chain(foreign) {
        let line = line.replace("{FILE}", &format!("profiles/{}", Sandbox::GRACE_ID));
        for base in BASES.into_iter().chain([""]) {
            for between in ["", "/"] {
                count
                    .replay(&setup, &setup.fill(&format!("{base}{between}{line}")), b"")
                    .await;
            }
        }
    }
    println!("{count:?}");
    assert!(count.replayed >= 12, "{count:?}");
}

#[tokio::test]
async fn headers_of_a_public_list_cannot_override_the_path_or_the_method() {
    let setup = Setup::mounted(MOUNT).await;
    let mut count = ReplayCount::default();
    for line in all(&HEADERS) {
        let mut more = setup.fill(&line.replace("PATH", "api/v3/profiles/{grace}"));
        more.extend(b"\r\n");
        count
            .replay(&setup, b"/id/api/v1/profiles/me/lists", &more)
            .await;
    }
    println!("{count:?}");
    assert!(
        count.replayed > 2_800 && count.forwarded > 2_000,
        "{count:?}"
    );
}

/// The way in which a request of a collection is redirected to Ada's lists.
#[derive(Clone, Copy, Debug)]
enum Redirect {
    Unchanged,
    WithToken,
    ToLists,
}

impl Redirect {
    fn apply(self, request: &[u8], token: Option<&str>) -> Vec<u8> {
        let end = request.windows(2).position(|pair| pair == b"\r\n");
        let (line, rest) = request.split_at(end.unwrap_or(request.len()));
        let mut redirected = match self {
            Self::Unchanged => return request.to_vec(),
            Self::WithToken => line.to_vec(),
            Self::ToLists => match line.iter().position(|&byte| byte == b' ') {
                Some(space) if line.get(space + 1) == Some(&b'/') => {
                    let (method, target) = line.split_at(space + 1);
                    [method, b"/id/api/v1/profiles/me/lists", target].concat()
                }
                _ => line.to_vec(),
            },
        };
        if let Some(token) = token {
            redirected.extend(format!("\r\nAuthorization: Bearer {token}").bytes());
        }
        redirected.extend(rest);
        redirected
    }
}

#[tokio::test]
async fn no_request_of_a_public_collection_smuggles_a_second_request() {
    let setup = Setup::mounted(MOUNT).await;
    let valid = get(b"/id/api/v1/profiles/me/balances", b"", &setup.token);
    let mut count = ReplayCount::default();
    for line in all(&REQUESTS) {
        for redirect in [Redirect::Unchanged, Redirect::WithToken, Redirect::ToLists] {
            let attack = redirect.apply(&unescape(line), Some(&setup.token));
            count.add(setup.check(&attack, &setup.send(&attack).await));
        }
        // Bytes left on a connection to the tenant would be read with the next request.
        let response = setup.send(&valid).await;
        assert_eq!(statuses(&response), [200], "after {line}");
        let forwarded = setup.sandbox.take_requests();
        assert_eq!(forwarded.len(), 1, "after {line}");
        assert!(forwarded[0].path().ends_with("/balances"), "after {line}");
    }
    println!("{count:?}");
    assert!(count.replayed > 1_500 && count.forwarded > 200, "{count:?}");
}

#[tokio::test]
async fn no_path_of_a_public_list_without_a_profile_reaches_the_tenant() {
    let setup = Setup::mounted(MOUNT).await;
    for line in all(&PATHS) {
        let target = setup.fill(&line.replace("PATH", TARGETS[0]));
        for token in ["", &setup.anonymous] {
            let attack = get(&target, b"", token);
            let response = setup.send(&attack).await;
            assert!(setup.sandbox.requests().is_empty(), "{line}");
            setup.check(&attack, &response);
        }
    }
}

#[tokio::test]
async fn no_request_of_a_public_collection_without_a_token_reaches_the_tenant() {
    let setup = Setup::mounted(MOUNT).await;
    for line in all(&REQUESTS) {
        for redirect in [Redirect::Unchanged, Redirect::ToLists] {
            let attack = redirect.apply(&unescape(line), None);
            let response = setup.send(&attack).await;
            assert!(setup.sandbox.requests().is_empty(), "{line}");
            setup.check(&attack, &response);
        }
    }
}
