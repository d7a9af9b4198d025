//! The presets permit exactly the requests of their table.

use std::collections::BTreeSet;

use http::{Method, Request, StatusCode, header};
use omneo_id::{AccessPolicy, RejectionKind};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use crate::laravel::executed;
use crate::support::{Shop, bearer};

/// The table in the docs of [`AccessPolicy`].
const TABLE: &str = include_str!("../../../src/path/access/presets.md");

/// The paths below `me` that the published clients use.
const RESOURCES: &str = "
    / /purge /merge /resync /update-type /redeem /comms /balances /ledgers /points /interactions
    /addresses /addresses/* /aggregations /aggregations/calculate /attributes
    /attributes/appearance /attributes/comms /attributes/dates /attributes/dates/*
    /attributes/custom /attributes/custom/* /custom-fields /custom-fields/*
    /benefits /benefits/* /benefits/*/redeem /benefits/viewable /benefits/claimable
    /benefits/claim /benefits/claim-redeem /redeemable_benefits
    /rewards /rewards/* /credits /credits/* /credits/*/redeem
    /redemptions /redemptions/* /redemptions/*/*/count
    /connections /connections/* /connections/*/profileInfo
    /identities /identities/* /identities/id/* /regions /regions/*
    /lists /lists/* /lists/*/items /lists/*/items/* /lists/*/shares /lists/*/shares/*
    /lists/*/custom /lists/*/custom-fields /lists/*/custom-fields/*
    /tiers /tiers/calculate /tiers/assign /tiers/points
    /achievements /achievements/*/achievement-points
    /appointments /appointments/* /appointment-definitions/visibility
    /orders /orders/* /group_orders /reservations
    /transactions /transactions/* /transactions/claims /transactions/claims/*
    /transactions/*/unattach /transactions/items/*/list-item
    /find-transactions /group_transactions /transaction-products
    /transactionitems/list/assigned /transactionitems/list/unassigned
";

/// Requests that grant value, change the tier or type, claim an identity, or end the profile.
const GRANTS: [(&str, &str); 17] = [
    ("POST", "/credits"),
    ("POST", "/points"),
    ("POST", "/rewards"),
    ("POST", "/benefits"),
    ("PUT", "/benefits/7"),
    ("POST", "/benefits/claim"),
    ("POST", "/transactions/claims"),
    ("POST", "/tiers/assign"),
    ("PUT", "/update-type"),
    ("POST", "/identities"),
    ("DELETE", "/identities/7"),
    ("POST", "/merge"),
    ("DELETE", "/purge"),
    ("POST", "/purge"),
    ("DELETE", "/"),
    ("GET", "/resync"),
    ("GET", "/transactions/7/unattach"),
];

const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PURGE", "SEARCH",
];

type Preset = (&'static str, fn() -> AccessPolicy);

const PRESETS: [Preset; 3] = [
    ("storefront", AccessPolicy::storefront),
    ("checkout", AccessPolicy::checkout),
    ("read_only", AccessPolicy::read_only),
];

/// A path of the table, and the methods that each preset permits on it.
#[derive(Clone, Debug)]
struct Row {
    path: &'static str,
    methods: [Vec<&'static str>; 3],
}

impl Row {
    fn permits(&self, preset: usize, method: &str) -> bool {
        let method = if method == "HEAD" { "GET" } else { method };
        self.methods[preset].contains(&method)
    }

    fn segments(&self) -> Vec<&'static str> {
        let segments = self.path.split('/');
        segments.filter(|segment| !segment.is_empty()).collect()
    }

    /// Paths that match the pattern.
    fn examples(&self) -> Vec<String> {
        match self.path {
            "/**" => [
                "/unknown",
                "/tags/7/x",
                "/me",
                "/balances/7",
                "/addresses/7/x",
            ]
            .map(str::to_owned)
            .into(),
            path => ["7", "ns:handle"]
                .map(|item| path.replace('*', item))
                .into(),
        }
    }
}

fn rows() -> Vec<Row> {
    let lines = TABLE.lines().filter(|line| line.starts_with("| `"));
    let rows = lines.flat_map(|line| {
        let cells: Vec<&str> = line.trim_matches(['|', ' ']).split(" | ").collect();
        let [paths, presets @ ..] = cells.as_slice() else {
            panic!("{line}");
        };
        let methods = |cell: &&'static str| {
            let names = cell.split(", ").filter(|name| *name != "–");
            names.collect::<Vec<_>>()
        };
        let methods: Vec<_> = presets.iter().map(methods).collect();
        let methods: [Vec<_>; 3] = methods.try_into().unwrap();
        let paths: Vec<&str> = paths.split('`').skip(1).step_by(2).collect();
        paths.into_iter().map(move |path| Row {
            path,
            methods: methods.clone(),
        })
    });
    rows.collect()
}

#[test]
fn the_table_has_every_resource_and_the_presets_in_order() {
    assert!(TABLE.starts_with("| path below `me` | `storefront` | `checkout` | `read_only` |"));
    let rows = rows();
    let mut paths: BTreeSet<&str> = rows.iter().map(|row| row.path).collect();
    assert_eq!(paths.len(), rows.len(), "a path has two rows");
    assert!(paths.remove("/**"));
    let resources: BTreeSet<&str> = RESOURCES.split_whitespace().collect();
    assert_eq!(paths, resources);
    for method in rows.iter().flat_map(|row| row.methods.iter().flatten()) {
        assert!(METHODS.contains(method), "{method}");
    }
}

#[tokio::test]
async fn each_preset_permits_exactly_the_requests_of_the_table() {
    for (index, (preset, policy)) in PRESETS.into_iter().enumerate() {
        let shop = Shop::with(|builder| builder.access_policy(policy()));
        let token = shop.mint_for_ada().await;
        let mut permitted = 0;
        for row in rows() {
            for (path, method) in row
                .examples()
                .iter()
                .flat_map(|path| METHODS.map(|method| (path, method)))
            {
                let request = Request::builder()
                    .method(method)
                    .uri(format!("/profiles/me{path}"))
                    .header(header::AUTHORIZATION, bearer(&token));
                let response = shop.send(request, "").await;
                let expected = row.permits(index, method);
                let case = format!("{preset} {method} {path}: {}", response.status);
                let sent = shop.sandbox.take_requests();
                assert_eq!(sent.len(), usize::from(expected), "{case}");
                let named = Method::from_bytes(method.as_bytes()).unwrap();
                assert_eq!(policy().permits(&named, path), expected, "{case}");
                permitted += sent.len();
                if !expected {
                    let is_allow = matches!(response.status.as_u16(), 403 | 405);
                    assert!(is_allow && response.rejection.is_some(), "{case}");
                }
            }
        }
        assert!(permitted > 10, "{preset}");
    }
}

#[test]
fn no_preset_grants_value_or_ends_the_profile() {
    for (preset, policy) in PRESETS {
        for (method, path) in GRANTS {
            let named = Method::from_bytes(method.as_bytes()).unwrap();
            assert!(!policy().permits(&named, path), "{preset} {method} {path}");
        }
    }
    let open = AccessPolicy::allow_all();
    assert!(open.permits(&Method::POST, "/credits"));
}

#[tokio::test]
async fn a_preset_can_be_extended_and_narrowed() {
    let policy = AccessPolicy::storefront()
        .allow("POST", "/interactions")
        .and_then(|policy| policy.deny("*", "/ledgers/**"))
        .and_then(|policy| policy.allow_fields("PUT", "/", ["currency"]))
        .unwrap();
    let shop = Shop::with(|builder| builder.access_policy(policy));
    let token = shop.mint_for_ada().await;
    let interaction = serde_json::json!({"type": "visit"});
    let response = shop
        .post("/profiles/me/interactions", &token, &interaction)
        .await;
    assert!(response.status.is_success(), "{:?}", response.body);
    let response = shop.get("/profiles/me/ledgers", &token).await;
    assert_eq!(response.status, StatusCode::FORBIDDEN);
    let changes = serde_json::json!({"currency": "NZD", "first_name": "Augusta"});
    let response = shop.put("/profiles/me", &token, &changes).await;
    assert_eq!(response.status, StatusCode::OK, "{:?}", response.body);
    let response = shop.get("/profiles/me/resync", &token).await;
    assert_eq!(response.rejection, Some(RejectionKind::Forbidden));
}

// --- other spellings
// -------------------------------------------------------------------------------

/// A spelling of a character of the path.
fn spell(character: char, kind: u8) -> String {
    let hex = |prefix: &str| format!("{prefix}{:02x}", u32::from(character));
    match kind {
        0 => hex("%"),
        1 => hex("%").to_ascii_uppercase(),
        2 => hex("%25"),
        3 => character.to_ascii_uppercase().to_string(),
        4 if character == '/' => "//".to_owned(),
        5 if character == '/' => "/%20".to_owned(),
        6 if character == '/' => "%20/".to_owned(),
        7 if character == '/' => "/./".to_owned(),
        8 if character == '/' => "/x/../".to_owned(),
        9 if character == '/' => ";/".to_owned(),
        _ => character.to_string(),
    }
}

#[derive(Clone, Debug)]
struct Attempt {
    preset: usize,
    method: &'static str,
    path: String,
    media: &'static str,
    body: &'static str,
    header: Option<&'static str>,
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let paths: Vec<String> = rows().iter().flat_map(Row::examples).collect();
    let kinds = prop::collection::vec(prop_oneof![6 => Just(u8::MAX), 1 => 0_u8..10], 80);
    let path = (
        select(paths),
        kinds,
        select(&["", "", "/", "//", "%20", "%09"][..]),
    );
    let path = path.prop_map(|(path, kinds, tail)| {
        let spelled = path.chars().zip(kinds);
        let spelled: String = spelled.map(|(c, kind)| spell(c, kind)).collect();
        spelled + tail
    });
    let query = select(
        &[
            "",
            "",
            "",
            "?_method=DELETE",
            "?+_method=PUT",
            "?%5fmethod=DELETE",
            "?.method=PUT",
        ][..],
    );
    let method = select(
        &[
            "GET", "HEAD", "POST", "POST", "POST", "PUT", "PATCH", "DELETE", "delete", "Put",
        ][..],
    );
    let media = select(
        &[
            "application/json",
            "application/json",
            "application/x-www-form-urlencoded",
            "application/vnd.api+json",
            "text/plain",
            "",
        ][..],
    );
    let body = select(
        &[
            "",
            "{}",
            "a=1",
            r#"{"_method":"DELETE"}"#,
            r#"{"\u005fmethod":"put"}"#,
            "_method=DELETE",
            "+%5Fmethod=PUT",
            "a&.method=DELETE",
        ][..],
    );
    let header = prop::option::weighted(
        0.2,
        select(
            &[
                "x-http-method-override",
                "x-http-method",
                "x_http_method_override",
            ][..],
        ),
    );
    let preset = 0..PRESETS.len();
    (preset, method, path, query, media, body, header).prop_map(
        |(preset, method, path, query, media, body, header)| Attempt {
            preset,
            method,
            path: path + query,
            media,
            body,
            header,
        },
    )
}

/// The row of an executed request: of the rows that match, the one with the most literal segments.
fn find_row<'a>(rows: &'a [Row], segments: &[String]) -> &'a Row {
    let matches = |row: &&Row| {
        let own = row.segments();
        let mut pairs = own.iter().zip(segments);
        own == ["**"] && !segments.is_empty()
            || own.len() == segments.len()
                && pairs
                    .all(|(own, segment)| *own == "*" || own.eq_ignore_ascii_case(segment.trim()))
    };
    let literals = |row: &&Row| {
        row.segments()
            .iter()
            .filter(|own| !own.contains('*'))
            .count()
    };
    rows.iter().filter(matches).max_by_key(literals).unwrap()
}

#[test]
fn no_spelling_and_no_override_reaches_a_denied_action() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let shops = PRESETS.map(|(_, policy)| Shop::with(|builder| builder.access_policy(policy())));
    let tokens = shops
        .each_ref()
        .map(|shop| runtime.block_on(shop.mint_for_ada()));
    let rows = rows();
    let forwarded = std::cell::Cell::new(0);
    let config = Config {
        cases: 4000,
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&attempt(), |attempt| {
        let Attempt {
            preset,
            method,
            path,
            media,
            body,
            header,
        } = attempt;
        let shop = &shops[preset];
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/profiles/me{path}"))
            .header(header::AUTHORIZATION, bearer(&tokens[preset]));
        if !media.is_empty() {
            request = request.header(header::CONTENT_TYPE, media);
        }
        if let Some(name) = header {
            request = request.header(name, "DELETE");
        }
        let response = runtime.block_on(shop.send(request, body));
        prop_assert!(response.status.as_u16() < 500, "{}", response.status);
        for sent in shop.sandbox.take_requests() {
            forwarded.set(forwarded.get() + 1);
            let (method, below) = executed(&sent);
            let row = find_row(&rows, &below);
            prop_assert!(row.permits(preset, &method), "{preset} {method} {below:?}");
            let overrides = sent
                .headers
                .keys()
                .any(|name| name.as_str().contains("method"));
            prop_assert!(!overrides);
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    assert!(
        forwarded.get() > 100,
        "only {} requests were forwarded",
        forwarded.get()
    );
}
