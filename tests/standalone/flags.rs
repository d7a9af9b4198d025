//! Flags, defaults and error messages.

use std::ffi::OsString;
use std::time::Duration;

use omneo_id::upstream::Forwarding;

use crate::config::{Config, Limits, LogFormat, OnOutage, Parsed, StoreKind};
use crate::process::{Server, run};

const SECRET: &str = crate::process::SECRET;
const SHORT: &str = "hunter2";

fn parse(flags: &[&str]) -> Result<Config, String> {
    let argv = std::iter::once(&"standalone").chain(flags);
    match Config::parse(argv.map(OsString::from), [])? {
        Parsed::Serve(config) => Ok(*config),
        Parsed::Print(text) => panic!("{text}"),
    }
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = parse(&[]).unwrap();
    let Config {
        server,
        tenants,
        warnings,
        ..
    } = config;
    let tenant = &tenants[0];
    let mut addresses = server.listen.iter().map(ToString::to_string);
    assert!(addresses.all(|address| address == "127.0.0.1:8080"));
    assert_eq!(tenant.mount, "/id/api/v1");
    assert_eq!(tenant.upstream_base, "/api/v3");
    assert_eq!(tenant.token_ttl, Duration::from_secs(3600));
    assert_eq!(tenant.token_cache, 1024);
    assert!(tenant.cors.is_none() && tenant.forwarding == Forwarding::default());
    assert!(tenant.sandbox().is_some() && tenant.keys.signing.is_none());
    assert!(warnings.is_empty() && server.threads.is_none());
    assert_eq!(server.log_filter().to_string(), "info");
    assert_eq!(server.log_format, LogFormat::Text);
    assert!(server.metrics_listen.is_none());
    let limits = Limits {
        idle: Duration::from_secs(75),
        header: Duration::from_secs(30),
        write: Duration::from_secs(30),
        drain_delay: Duration::ZERO,
        drain: Duration::from_secs(10),
        connections: 4096,
    };
    assert_eq!(server.limits, limits);
}

#[test]
fn limits_are_configurable_and_positive() {
    let config = parse(&[
        "--idle-timeout",
        "1m",
        "--header-timeout",
        "15s",
        "--write-timeout",
        "5s",
        "--drain-timeout",
        "0s",
        "--max-connections",
        "7",
    ])
    .unwrap();
    let limits = Limits {
        idle: Duration::from_secs(60),
        header: Duration::from_secs(15),
        write: Duration::from_secs(5),
        drain_delay: Duration::ZERO,
        drain: Duration::ZERO,
        connections: 7,
    };
    assert_eq!(config.server.limits, limits);
    for wrong in [
        ["--idle-timeout", "0s"],
        ["--header-timeout", "0s"],
        ["--write-timeout", "0s"],
        ["--idle-timeout", "soon"],
        ["--drain-timeout", "later"],
        ["--max-connections", "0"],
        ["--max-connections", "many"],
    ] {
        let problem = parse(&wrong).expect_err("the value is invalid");
        assert!(problem.starts_with(wrong[0]), "{problem}");
    }
}

#[test]
fn all_flags_are_applied() {
    let config = parse(&[
        "--listen",
        "localhost:0",
        "--upstream",
        "https://api.acme.getomneo.com",
        "--upstream-base",
        "/api/v4",
        "--api-token",
        "t",
        "--signing-key",
        SECRET,
        "--token-ttl",
        "15m",
        "--cors-origin",
        "https://a.example, https://b.example:8443",
        "--cors-origin",
        "http://localhost:3000",
        "--mount",
        "/id",
        "--threads",
        "3",
        "--token-cache",
        "50000",
        "--log",
        "omneo_id=debug",
        "--log-format",
        "json",
        "--metrics-listen",
        "[::1]:9464",
    ])
    .unwrap();
    let (server, tenant) = (&config.server, &config.tenants[0]);
    assert_eq!(tenant.location(), "https://api.acme.getomneo.com/api/v4");
    assert_eq!(tenant.token_ttl, Duration::from_secs(900));
    assert_eq!(tenant.token_cache, 50_000);
    assert_eq!(server.log_format, LogFormat::Json);
    assert_eq!(server.metrics_listen.as_deref(), Some("[::1]:9464"));
    assert_eq!(server.threads.map(usize::from), Some(3));
    assert!(tenant.sandbox().is_none() && tenant.keys.signing.is_some());
    assert!(tenant.public_token.is_none());
    let cors = tenant.cors.as_ref().expect("origins");
    for origin in [
        "https://a.example",
        "https://b.example:8443",
        "http://localhost:3000",
    ] {
        assert!(cors.allows(&origin.parse().unwrap()), "{origin}");
    }
    assert!(!cors.allows(&"https://c.example".parse().unwrap()));
    assert!(!cors.allows_any());
    let any = parse(&["--cors-origin", "*"]).unwrap().tenants.remove(0);
    assert!(any.cors.expect("any origin").allows_any());
    let none = parse(&["--token-cache", "0"]).unwrap();
    assert_eq!(none.tenants[0].token_cache, 0);
}

#[test]
fn sessions_end_in_memory_and_are_refreshed_in_the_sandbox_only() {
    let config = parse(&[]).unwrap();
    let (store, sandbox) = (config.server.revocations, &config.tenants[0]);
    assert_eq!(store.kind(), StoreKind::Memory);
    assert_eq!(store.on_outage, OnOutage::Serve);
    let refresh = sandbox.refresh.expect("on in the sandbox");
    assert_eq!(refresh.max_age, Duration::from_secs(12 * 3600));
    assert!(!refresh.rotate);
    let tenant = ["--upstream", "https://api.acme.getomneo.com", "--api-token"];
    let tenant = [&tenant[..], &["t"]].concat();
    assert!(parse(&tenant).unwrap().tenants[0].refresh.is_none());
    let flags = [
        "--revocations",
        "redis://cache.example:6379/1",
        "--revocations-on-outage",
        "refuse:60s",
        "--refresh",
        "30days",
        "--refresh-rotate",
    ];
    let config = parse(&[&tenant[..], &flags].concat()).unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let (store, tenant) = (config.server.revocations, &config.tenants[0]);
    assert_eq!(store.kind(), StoreKind::Redis);
    let after = Duration::from_secs(60);
    assert_eq!(store.on_outage, OnOutage::Refuse { after });
    let refresh = tenant.refresh.expect("a refresh");
    assert_eq!(refresh.max_age, Duration::from_secs(30 * 24 * 3600));
    assert!(refresh.rotate);
    assert!(sandbox.webhook_secrets.is_empty() && tenant.webhook_secrets.is_empty());
}

#[test]
fn flags_of_sessions_without_an_effect_are_warned_about() {
    for (flags, hint) in [
        (
            &["--revocations-on-outage", "refuse:60s"][..],
            "--revocations-on-outage has no effect",
        ),
        (
            &["--refresh", "off", "--refresh-rotate"],
            "--refresh-rotate has no effect",
        ),
        (&["--refresh", "1h"], "does not prolong sessions"),
        (
            &["--revocations", "redis://:hunter2@cache.example"],
            "--revocations has a password",
        ),
    ] {
        let warnings = parse(flags).unwrap().warnings;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(hint), "{warnings:?}");
        assert!(!warnings[0].contains(SHORT), "{warnings:?}");
    }
}

#[test]
fn a_configured_api_token_is_not_public() {
    assert!(parse(&[]).unwrap().tenants[0].public_token.is_some());
    let config = parse(&["--sandbox", "--api-token", "of-my-own"]).unwrap();
    let tenant = &config.tenants[0];
    assert!(tenant.public_token.is_none() && tenant.sandbox().is_some());
}

#[test]
fn an_invalid_flag_is_reported_in_one_line_with_exit_code_2() {
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);
    let cases: &[Case<'_>] = &[
        (&["--no-such-flag"], &[], "--no-such-flag"),
        (&["--listen"], &[], "--listen"),
        (&["stray"], &[], "stray"),
        (&["--listen", "nowhere"], &[], "--listen"),
        (&[], &[("OMNEO_ID_LISTEN", "nowhere")], "OMNEO_ID_LISTEN"),
        (
            &["--sandbox", "--signing-key", SHORT],
            &[],
            "--signing-key: ",
        ),
        (
            &["--sandbox"],
            &[("OMNEO_ID_SIGNING_KEY", SHORT)],
            "OMNEO_ID_SIGNING_KEY: ",
        ),
        (&["--sandbox", "--signing-key", ""], &[], "--signing-key: "),
        (
            &["--signing-key", SECRET, "--signing-key-file", "/dev/null"],
            &[],
            "not both",
        ),
        (
            &["--sandbox", "--signing-key-file", "/no/such/file"],
            &[],
            "--signing-key-file: ",
        ),
        (
            &["--sandbox", "--signing-key-file", "/dev/null"],
            &[],
            "--signing-key-file: ",
        ),
        (
            &["--upstream", "https://api.acme.getomneo.com"],
            &[],
            "OMNEO_ID_API_TOKEN",
        ),
        (
            &["--upstream", ""],
            &[("OMNEO_ID_API_TOKEN", "t")],
            "--upstream",
        ),
        (
            &[
                "--upstream",
                "http://api.acme.getomneo.com",
                "--api-token",
                "t",
            ],
            &[],
            "https",
        ),
        (
            &["--upstream", "https://a.example/api", "--api-token", "t"],
            &[],
            "base path",
        ),
        (
            &["--sandbox", "--upstream-base", "api/v3"],
            &[],
            "--upstream-base: ",
        ),
        (
            &["--sandbox", "--api-token", "with space"],
            &[],
            "--api-token: ",
        ),
        (&["--token-ttl", "soon"], &[], "--token-ttl"),
        (&["--token-ttl", "0s"], &[], ""),
        (&["--threads", "0"], &[], "--threads"),
        (&[], &[("OMNEO_ID_THREADS", "many")], "OMNEO_ID_THREADS"),
        (&["--token-cache", "few"], &[], "--token-cache"),
        (&["--token-cache", "1000001"], &[], "--token-cache"),
        (
            &[],
            &[("OMNEO_ID_TOKEN_CACHE", "some")],
            "OMNEO_ID_TOKEN_CACHE",
        ),
        (
            &["--cors-origin", "https://shop.example/"],
            &[],
            "--cors-origin",
        ),
        (&["--cors-origin", "shop.example"], &[], "--cors-origin"),
        (
            &[],
            &[("OMNEO_ID_CORS_ORIGIN", "*,https://a.example")],
            "OMNEO_ID_CORS_ORIGIN",
        ),
        (&["--cors-header", "two words"], &[], "--cors-header"),
        (&["--cors-expose", "a:b"], &[], "--cors-expose"),
        (&["--via", "name"], &[], "name"),
        (&["--sandbox=yes"], &[], "--sandbox"),
        (
            &["--sandbox", "--upstream", "https://a.example"],
            &[],
            "not both",
        ),
        (&["--mount", "id"], &[], ""),
        (&["--mount", "/id/../api"], &[], ""),
        (&["--log", "omneo_id=loud"], &[], "--log"),
        (&["--log-format", "xml"], &[], "--log-format"),
        (&["--log-format", ""], &[], "--log-format"),
        (
            &[],
            &[("OMNEO_ID_LOG_FORMAT", "xml")],
            "OMNEO_ID_LOG_FORMAT",
        ),
        (&["--metrics-listen", "9464"], &[], "--metrics-listen"),
        (&["--revocations", SHORT], &[], "--revocations is neither"),
        (&["--revocations", ""], &[], "--revocations is neither"),
        (&["--revocations", "redis://"], &[], "--revocations: "),
        (
            &["--revocations", "redis://a.example:6379?password=hunter2"],
            &[],
            "--revocations: ",
        ),
        (
            &[],
            &[("OMNEO_ID_REVOCATIONS", "http://:hunter2@a.example")],
            "OMNEO_ID_REVOCATIONS is neither",
        ),
        (
            &[
                "--revocations",
                "redis://:hunter2@a.example",
                "--revocations-file",
                "/dev/null",
            ],
            &[],
            "give --revocations or --revocations-file, not both",
        ),
        (
            &["--revocations-file", "/no/such/file"],
            &[],
            "--revocations-file: cannot read",
        ),
        (
            &[],
            &[("OMNEO_ID_REVOCATIONS_FILE", "/dev/null")],
            "OMNEO_ID_REVOCATIONS_FILE is neither",
        ),
        (
            &["--revocations-on-outage", "never"],
            &[],
            "--revocations-on-outage",
        ),
        (&["--revocations-on-outage", "refuse"], &[], "refuse:60s"),
        (
            &["--revocations-on-outage", "refuse:soon"],
            &[],
            "not a duration",
        ),
        (
            &["--revocations-on-outage", "refuse:5s"],
            &[],
            "longer than 5s",
        ),
        (
            &[],
            &[("OMNEO_ID_REVOCATIONS_ON_OUTAGE", "refuse:60.5s")],
            "OMNEO_ID_REVOCATIONS_ON_OUTAGE",
        ),
        (&["--refresh", "soon"], &[], "--refresh"),
        (&["--refresh", "0s"], &[], "--refresh"),
        (&["--refresh", "1500ms"], &[], "fraction"),
        (&[], &[("OMNEO_ID_REFRESH", "2years")], "OMNEO_ID_REFRESH"),
        (&["--refresh-rotate=yes"], &[], "--refresh-rotate"),
        (
            &["--webhook-secret", SECRET],
            &[],
            "--webhook-secret is given without a tenant",
        ),
        (
            &[
                "--webhook-secret",
                SECRET,
                "--webhook-secret-file",
                "/dev/null",
            ],
            &[],
            "not both",
        ),
        (
            &["--sandbox", "--webhook-secret-file", "/dev/null"],
            &[],
            "--webhook-secret-file: /dev/null is empty",
        ),
        (
            &["--sandbox", "--webhook-secret", SHORT],
            &[],
            "--webhook-secret: ",
        ),
        (
            &["--sandbox"],
            &[("OMNEO_ID_WEBHOOK_SECRET", SHORT)],
            "OMNEO_ID_WEBHOOK_SECRET: ",
        ),
        (
            &[],
            &[("OMNEO_ID_METRICS_LISTEN", "nowhere")],
            "OMNEO_ID_METRICS_LISTEN",
        ),
    ];
    for (flags, variables, hint) in cases {
        let output = run(flags, variables);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            output.status.code(),
            Some(2),
            "{flags:?} {variables:?} {stderr}"
        );
        assert_eq!(
            stderr.lines().count(),
            1,
            "{flags:?} {variables:?} {stderr}"
        );
        assert!(
            stderr.starts_with("error: ") && stderr.contains(hint),
            "{flags:?} {stderr}"
        );
        assert!(
            !stderr.contains(SHORT) && !stderr.contains(SECRET),
            "{stderr}"
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn an_address_in_use_is_reported_in_one_line_with_exit_code_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["--listen", &address], &[]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(&address), "{stderr}");
    let flags = ["--listen", "127.0.0.1:0", "--metrics-listen", &address];
    let output = run(&flags, &[]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(&address), "{stderr}");
}

#[test]
fn help_lists_every_variable_and_shows_no_secret() {
    let output = run(
        &["--help"],
        &[
            ("OMNEO_ID_API_TOKEN", "an-api-token"),
            ("OMNEO_ID_SIGNING_KEY", SECRET),
        ],
    );
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    for variable in [
        "OMNEO_ID_LISTEN",
        "OMNEO_ID_UPSTREAM",
        "OMNEO_ID_UPSTREAM_BASE",
        "OMNEO_ID_API_TOKEN",
        "OMNEO_ID_SIGNING_KEY",
        "OMNEO_ID_SIGNING_KEY_FILE",
        "OMNEO_ID_TOKEN_TTL",
        "OMNEO_ID_CORS_ORIGIN",
        "OMNEO_ID_MOUNT",
        "OMNEO_ID_THREADS",
        "OMNEO_ID_TOKEN_CACHE",
        "OMNEO_ID_LOG",
        "OMNEO_ID_LOG_FORMAT",
        "OMNEO_ID_METRICS_LISTEN",
        "OMNEO_ID_REVOCATIONS",
        "OMNEO_ID_REVOCATIONS_FILE",
        "OMNEO_ID_REVOCATIONS_ON_OUTAGE",
        "OMNEO_ID_REFRESH",
        "OMNEO_ID_REFRESH_ROTATE",
        "OMNEO_ID_WEBHOOK_SECRET",
        "OMNEO_ID_WEBHOOK_SECRET_FILE",
    ] {
        assert!(help.contains(variable), "{variable}");
    }
    assert!(!help.contains("an-api-token") && !help.contains(SECRET));
}

#[tokio::test]
async fn flags_override_variables() {
    let wrong = [
        ("OMNEO_ID_LISTEN", "nowhere"),
        ("OMNEO_ID_TOKEN_TTL", "soon"),
        ("OMNEO_ID_MOUNT", "/elsewhere"),
        ("OMNEO_ID_SIGNING_KEY_FILE", "/no/such/file"),
        ("OMNEO_ID_THREADS", "1"),
    ];
    let flags = [
        "--token-ttl",
        "90s",
        "--mount",
        "/here",
        "--sandbox",
        "--signing-key",
        SECRET,
    ];
    let server = Server::start(&flags, &wrong);
    assert!(server.banner.ends_with("/here\n"), "{}", server.banner);
    let lost = server.get("/elsewhere/locations").await;
    let found = server.get("/here/locations").await;
    assert_eq!(
        (lost.status().as_u16(), found.status().as_u16()),
        (404, 401)
    );
}

#[tokio::test]
async fn the_root_is_a_mount() {
    for (flags, variables) in [
        (&["--mount", "/"][..], &[][..]),
        (&[], &[("OMNEO_ID_MOUNT", "/")]),
    ] {
        let server = Server::start(flags, variables);
        assert_eq!(server.get("/locations").await.status(), 401);
        assert_eq!(server.get("/id/api/v1/locations").await.status(), 404);
    }
}
