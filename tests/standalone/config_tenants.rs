//! Several tenants in one file: how they are found, and what changes when the file is read again.

use std::time::Duration;

use crate::config::{Config, ResolverConfig};
use crate::config_check::certificate_files;
use crate::config_settings::parse;
use crate::process::SECRET;
use crate::secret_files::Temporary;

/// The configuration of a file with this content.
fn read(name: &str, content: &str) -> Result<Config, String> {
    let file = Temporary::new(&format!("{name}.toml"), content.as_bytes());
    parse(&["--config", file.path()], &[])
}

/// The problem of a file with this content, without the path.
fn problem(name: &str, content: &str) -> String {
    let problem = read(name, content).expect_err("an error");
    assert_eq!(problem.lines().count(), 1, "{problem}");
    let position = problem.find(".toml:").unwrap();
    problem[position + ".toml:".len()..].to_owned()
}

/// The address of a tenant.
const UPSTREAM: &str = "upstream = \"https://api.acme.test\"\napi_token = \"t\"";

/// A file with this value of `tenant_by` and two tenants with these fields.
fn two(by: &str, one: &str, other: &str) -> String {
    format!(
        "[server]\n{by}\n[[tenant]]\nkey = \"a\"\n{UPSTREAM}\n{one}\n\
         [[tenant]]\nkey = \"b\"\n{UPSTREAM}\n{other}\n"
    )
}

#[test]
fn requests_are_resolved_by_host_path_or_header() {
    let hosts = r#"hosts = ["A.example.", "xn--bcher-kva.example", "[::1]", "127.0.0.1"]"#;
    let exact = |pattern: Option<&str>| ResolverConfig::Hosts {
        exact: [
            ("a.example", "a"),
            ("xn--bcher-kva.example", "a"),
            ("[::1]", "a"),
            ("127.0.0.1", "a"),
            ("b.example", "b"),
        ]
        .map(|(host, key)| (host.to_owned(), key.to_owned()))
        .to_vec(),
        pattern: pattern.map(str::to_owned),
    };
    let other = r#"hosts = ["b.example"]"#;
    let pattern = "tenant_by = \"host:API.{tenant}.shop.example\"";
    let proxy = "trusted_proxy = [\"10.0.0.0/8\"]\n";
    for (by, one, other, expected) in [
        ("", hosts, other, exact(None)),
        ("tenant_by = \"host\"", hosts, other, exact(None)),
        (
            pattern,
            hosts,
            other,
            exact(Some("api.{tenant}.shop.example")),
        ),
        (
            pattern,
            "",
            "",
            ResolverConfig::Hosts {
                exact: Vec::new(),
                pattern: Some("api.{tenant}.shop.example".to_owned()),
            },
        ),
        ("tenant_by = \"path\"", "", "", ResolverConfig::Path),
        (
            &format!("{proxy}tenant_by = \"header:X-Tenant\""),
            "",
            "",
            ResolverConfig::Header("x-tenant".to_owned()),
        ),
    ] {
        let config = read("resolved", &two(by, one, other)).unwrap();
        assert_eq!(config.resolver, expected, "{by}");
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }
    let single = "[[tenant]]\nkey = \"a\"\nsandbox = true\n";
    let config = read("single", single).unwrap();
    assert_eq!(config.resolver, ResolverConfig::Single);
    let config = read("single-host", &format!("{single}hosts = [\"a.example\"]\n")).unwrap();
    assert!(matches!(config.resolver, ResolverConfig::Hosts { .. }));
}

#[test]
fn each_tenant_is_found_in_exactly_one_way() {
    let (one, other) = (r#"hosts = ["a.example"]"#, r#"hosts = ["b.example"]"#);
    for (by, one, other, expected) in [
        ("", one, "", "8: the tenant needs hosts"),
        ("", one, "hosts = []", "8: the tenant needs hosts"),
        (
            "",
            one,
            one,
            "8: the host \"a.example\" is also that of the tenant at ",
        ),
        (
            "",
            one,
            "hosts = [\"b.example\"]\naudience = \"a\"",
            "8: the audience \"a\" is also that of the tenant at ",
        ),
        (
            "tenant_by = \"path\"",
            one,
            "",
            "2: tenant_by excludes the hosts",
        ),
        (
            "tenant_by = \"header:X-Tenant\"",
            "",
            "",
            "2: tenant_by is a header, which only a trusted_proxy may set",
        ),
        (
            "tenant_by = \"header:X Tenant\"",
            one,
            other,
            "2: tenant_by \"X Tenant\"",
        ),
        (
            "tenant_by = \"port\"",
            one,
            other,
            "2: tenant_by \"port\" is none of",
        ),
        (
            "tenant_by = \"host:\"",
            one,
            other,
            "2: tenant_by \"\" is not a pattern",
        ),
        (
            "tenant_by = \"host:a.example\"",
            one,
            other,
            "2: tenant_by ",
        ),
        (
            "tenant_by = \"host:x{tenant}.example\"",
            one,
            other,
            "2: tenant_by ",
        ),
        (
            "tenant_by = \"host:{tenant}.{tenant}.a\"",
            one,
            other,
            "2: tenant_by ",
        ),
        ("tenant_by = \"host:{tenant}\"", one, other, "2: tenant_by "),
        (
            "tenant_by = \"host:{tenant}.a:80\"",
            one,
            other,
            "2: tenant_by ",
        ),
        (
            "tenant_by = \"host:{tenant}.a.\"",
            one,
            other,
            "2: tenant_by ",
        ),
        (
            "",
            "hosts = [\"a.example:80\"]",
            other,
            "7: hosts \"a.example:80\"",
        ),
        ("", "hosts = [\"http://a.example\"]", other, "7: hosts "),
        ("", "hosts = [\"*.a.example\"]", other, "7: hosts "),
        ("", "hosts = [\"bücher.example\"]", other, "7: hosts "),
        ("", "hosts = [\"a..example\"]", other, "7: hosts "),
        ("", "hosts = [\"[::g]\"]", other, "7: hosts "),
        ("", "hosts = [\"[::1].\"]", other, "7: hosts "),
        ("", "hosts = [\"[::1]:80\"]", other, "7: hosts "),
        ("", "hosts = [\"a.example:\"]", other, "7: hosts "),
    ] {
        let problem = problem("one-way", &two(by, one, other));
        assert!(problem.contains(expected), "{by} {one} {other}: {problem}");
    }
}

#[test]
fn a_key_is_short_and_of_plain_characters() {
    let file = |key: &str| format!("[[tenant]]\nkey = {key:?}\nsandbox = true\n");
    for key in ["a", "a-b_c", "0", &"a".repeat(63)] {
        assert_eq!(read("key", &file(key)).unwrap().tenants[0].key, key);
    }
    for key in ["", "A", "a.b", "a b", "ä", "a/b", &"a".repeat(64)] {
        let problem = problem("no-key", &file(key));
        assert!(problem.starts_with("2: key "), "{problem}");
    }
}

#[test]
fn the_audience_of_a_tenant_is_its_key() {
    let config = read(
        "audience",
        &two("tenant_by = \"path\"", "audience = \"shops\"", ""),
    )
    .unwrap();
    assert_eq!(config.tenants[0].audience.as_deref(), Some("shops"));
    assert_eq!(config.tenants[1].audience.as_deref(), Some("b"));
}

#[test]
fn reserved_keys_are_refused() {
    let reserved = "[[tenant]]\nkey = \"default\"\nsandbox = true\n";
    let text = "1: the key \"default\" is reserved for the tenant of flags";
    assert_eq!(problem("reserved", reserved), text);
    let probe =
        format!("[server]\ntenant_by = \"path\"\n[[tenant]]\nkey = \"readyz\"\n{UPSTREAM}\n");
    let text = "2: tenant_by is path, so no tenant can have the key \"readyz\"";
    assert_eq!(problem("reserved-path", &probe), text);
}

#[test]
fn a_limit_of_calls_applies_to_a_tenant() {
    let by = "tenant_by = \"path\"\nmax_in_flight = 500";
    let config = read("calls", &two(by, "max_in_flight = 7", "")).unwrap();
    assert_eq!(config.server.max_in_flight, 500);
    assert_eq!(config.tenants[0].max_in_flight, Some(7));
    assert_eq!(config.tenants[1].max_in_flight, None);
}

#[test]
fn a_tenant_changes_with_the_content_of_its_files() {
    let secret = Temporary::new("changes-secret", SECRET.as_bytes());
    let content = format!(
        "[[tenant]]\nkey = \"a\"\nsandbox = true\nsigning_key_file = {0:?}\n\
         api_token_file = {0:?}\nwebhook_secret_file = {0:?}\nverifying_key_file = [{0:?}]\n\
         pinned_api_token_file = {0:?}\n",
        secret.path()
    );
    let first = read("changes", &content).unwrap();
    let again = read("changes", &content).unwrap();
    assert_eq!(first.tenants, again.tenants);
    assert_eq!(
        first.server.restart_changes(&again.server),
        <[&str; 0]>::default()
    );
    std::fs::write(secret.path(), SECRET.to_uppercase()).unwrap();
    let changed = read("changes", &content).unwrap();
    let (first, changed) = (&first.tenants[0], &changed.tenants[0]);
    assert_ne!(first.api_token, changed.api_token);
    assert_ne!(first.keys.signing, changed.keys.signing);
    assert_ne!(first.keys.verifying, changed.keys.verifying);
    assert_ne!(first.webhook_secrets, changed.webhook_secrets);
    assert_ne!(first.pinned_api_tokens, changed.pinned_api_tokens);
}

#[test]
fn each_change_of_the_server_is_listed() {
    let (certificate, key) = certificate_files("listed");
    let (cert, key) = (certificate.path(), key.path());
    let tls = format!("tls_cert = {cert:?}\ntls_key = {key:?}");
    let ca = format!("tenant_ca = {cert:?}");
    let first = read("listed", "[[tenant]]\nkey = \"a\"\nsandbox = true\n").unwrap();
    for (lines, expected) in [
        ("", &[][..]),
        ("listen = [\"127.0.0.1:0\"]", &["listen"]),
        (&tls, &["tls_cert"]),
        ("trusted_proxy = [\"::1\"]", &["trusted_proxy"]),
        (
            "trusted_proxy = [\"::1\"]\ntrust_forwarded = true",
            &["trusted_proxy", "trust_forwarded"],
        ),
        ("threads = 7", &["threads"]),
        ("idle_timeout = \"7s\"", &["idle_timeout"]),
        ("header_timeout = \"7s\"", &["header_timeout"]),
        ("write_timeout = \"7s\"", &["write_timeout"]),
        ("drain_delay = \"7s\"", &["drain_delay"]),
        ("drain_timeout = \"7s\"", &["drain_timeout"]),
        ("max_connections = 7", &["max_connections"]),
        ("max_in_flight = 7", &["max_in_flight"]),
        ("connect_timeout = \"7s\"", &["connect_timeout"]),
        ("max_connection_age = \"7s\"", &["max_connection_age"]),
        (&ca, &["tenant_ca"]),
        ("revocations = \"redis://a.example\"", &["revocations"]),
        (
            "revocations = \"redis://a.example\"\nrevocations_on_outage = \"refuse:7s\"",
            &["revocations", "revocations_on_outage"],
        ),
        ("log = \"warn\"", &["log"]),
        ("log_format = \"json\"", &["log_format"]),
        ("log_client_address = true", &["log_client_address"]),
        ("metrics_listen = \"127.0.0.1:0\"", &["metrics_listen"]),
    ] {
        let content = format!("[server]\n{lines}\n[[tenant]]\nkey = \"a\"\nsandbox = true\n");
        let config = read("listed", &content).unwrap();
        let changes = first.server.restart_changes(&config.server);
        assert_eq!(changes, expected, "{lines}");
        assert_eq!(changes.is_empty(), first.server == config.server, "{lines}");
    }
}

#[test]
fn the_authorities_of_ssl_cert_file_are_added() {
    let (certificate, key) = certificate_files("ssl-cert-file");
    let (cert, key) = (certificate.path(), key.path());
    let config = parse(&["--tenant-ca", cert], &[("SSL_CERT_FILE", cert)]).unwrap();
    assert_eq!(config.server.tenant_ca.len(), 2);
    assert_eq!(
        parse(&[], &[("SSL_CERT_FILE", "")]).unwrap().warnings.len(),
        0
    );
    for path in ["/no/such/file", key] {
        let config = parse(&[], &[("SSL_CERT_FILE", path)]).unwrap();
        assert_eq!(config.server.tenant_ca, []);
        assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
        let warning = &config.warnings[0];
        assert!(
            warning.starts_with("SSL_CERT_FILE is ignored: "),
            "{warning}"
        );
        let problem = parse(&["--tenant-ca", path], &[]).expect_err("an error");
        assert!(problem.starts_with("--tenant-ca: "), "{problem}");
    }
}

#[test]
fn a_duration_may_be_off() {
    let flags = [
        "--verify-cache",
        "off",
        "--uniform-latency",
        "off",
        "--refresh",
        "off",
    ];
    let config = parse(&flags, &[]).unwrap();
    let tenant = &config.tenants[0];
    assert_eq!(
        (tenant.verify_cache, tenant.sign_up.uniform_latency),
        (None, None)
    );
    assert!(tenant.refresh.is_none());
    let config = parse(&["--drain-delay", "0s"], &[]).unwrap();
    assert_eq!(config.server.limits.drain_delay, Duration::ZERO);
}
