//! Each setting reaches the checked configuration, as a flag, as a variable and as a field of the
//! configuration file.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use http::Request;
use http_body_util::Full;
use omneo_id::upstream::Forwarding;

use crate::config::{
    Config, ListenAddress, LogFormat, OnOutage, Parsed, Secret, ServerConfig, StoreKind,
    TenantConfig,
};
use crate::config_check::certificate_files;
use crate::process::{SECRET, Server, get_as, run};
use crate::secret_files::{ED25519, Temporary};

const TENANT: [&str; 4] = [
    "--upstream",
    "https://api.acme.getomneo.com",
    "--api-token",
    "the-token",
];

pub(crate) fn parse(flags: &[&str], variables: &[(&str, &str)]) -> Result<Config, String> {
    let argv = std::iter::once(&"standalone").chain(flags);
    let variables = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    match Config::parse(argv.map(OsString::from), variables)? {
        Parsed::Serve(config) => Ok(*config),
        Parsed::Print(text) => panic!("{text}"),
    }
}

/// The form of a value in the file.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Switch,
    List,
}

/// A setting with a value other than the default, and whether a configuration has it.
struct Case<'a> {
    flag: &'a str,
    kind: Kind,
    value: &'a str,
    applies: Box<dyn Fn(&Config) -> bool + 'a>,
    /// Flags that the setting depends on.
    others: &'a [&'a str],
}

impl Case<'_> {
    fn flags(&self) -> Vec<String> {
        let flag = format!("--{}", self.flag);
        match self.kind {
            Kind::Switch => vec![flag],
            _ => vec![flag, self.value.to_owned()],
        }
    }

    fn variable(&self) -> (String, &str) {
        let name = self.flag.to_uppercase().replace('-', "_");
        (format!("OMNEO_ID_{name}"), self.value)
    }
}

/// The line of a field in the file.
fn field(flag: &str, kind: Kind, value: &str) -> String {
    let name = flag.replace('-', "_");
    match kind {
        Kind::Text => format!("{name} = {value:?}\n"),
        Kind::Number | Kind::Switch => format!("{name} = {value}\n"),
        Kind::List => format!("{name} = [{value:?}]\n"),
    }
}

fn server<'a>(
    flag: &'a str,
    kind: Kind,
    value: &'a str,
    applies: impl Fn(&ServerConfig) -> bool + 'a,
) -> Case<'a> {
    Case {
        flag,
        kind,
        value,
        applies: Box::new(move |config| applies(&config.server)),
        others: &[],
    }
}

fn tenant<'a>(
    flag: &'a str,
    kind: Kind,
    value: &'a str,
    applies: impl Fn(&TenantConfig) -> bool + 'a,
) -> Case<'a> {
    Case {
        flag,
        kind,
        value,
        applies: Box::new(move |config| applies(&config.tenants[0])),
        others: &[],
    }
}

/// The files that settings name.
struct Files {
    certificate: Temporary,
    key: Temporary,
    secret: Temporary,
    pem: Temporary,
    url: Temporary,
    rules: Temporary,
}

impl Files {
    fn new(test: &str) -> Self {
        let (certificate, key) = certificate_files(test);
        let file = |name: &str, content: &str| {
            Temporary::new(&format!("{test}-{name}"), content.as_bytes())
        };
        Self {
            certificate,
            key,
            secret: file("secret", &format!("{SECRET}\n")),
            pem: file("pem", ED25519),
            url: file("url", "redis://cache.example\n"),
            rules: file("rules", "# Reads only\n\nallow GET,HEAD /**\n"),
        }
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn exposes(secret: &Secret, expected: &str) -> bool {
    secret.expose() == expected
}

fn server_cases(files: &Files) -> Vec<Case<'_>> {
    use Kind::{List, Number, Switch, Text};
    let (cert, key) = (files.certificate.path(), files.key.path());
    let redis = |server: &ServerConfig| server.revocations.kind() == StoreKind::Redis;
    vec![
        server("listen", List, "unix:/run/id.sock", |server| {
            server.listen == [ListenAddress::Unix("/run/id.sock".into())]
        }),
        Case {
            others: &["tls-key"],
            ..server("tls-cert", Text, cert, move |server| {
                server.tls.as_ref().unwrap().cert.as_os_str() == cert
            })
        },
        Case {
            others: &["tls-cert"],
            ..server("tls-key", Text, key, move |server| {
                server.tls.as_ref().unwrap().key.as_os_str() == key
            })
        },
        server("trusted-proxy", List, "10.0.0.0/8", |server| {
            server.trusted_proxies == ["10.0.0.0/8"]
        }),
        server("trust-forwarded", Switch, "true", |server| {
            server.trust_forwarded
        }),
        server("threads", Number, "3", |server| {
            server.threads.map(usize::from) == Some(3)
        }),
        server("idle-timeout", Text, "7s", |server| {
            server.limits.idle == seconds(7)
        }),
        server("header-timeout", Text, "7s", |server| {
            server.limits.header == seconds(7)
        }),
        server("write-timeout", Text, "7s", |server| {
            server.limits.write == seconds(7)
        }),
        server("drain-delay", Text, "7s", |server| {
            server.limits.drain_delay == seconds(7)
        }),
        server("drain-timeout", Text, "7s", |server| {
            server.limits.drain == seconds(7)
        }),
        server("max-connections", Number, "7", |server| {
            server.limits.connections == 7
        }),
        server("max-in-flight", Number, "7", |server| {
            server.max_in_flight == 7
        }),
        server("connect-timeout", Text, "7s", |server| {
            server.connect_timeout == seconds(7)
        }),
        server("max-connection-age", Text, "7m", |server| {
            server.max_connection_age == seconds(420)
        }),
        server("tenant-ca", Text, cert, move |server| {
            server.tenant_ca[0].path.as_os_str() == cert
                && server.tenant_ca[0].pem == std::fs::read(cert).unwrap()
        }),
        server("revocations", Text, "redis://cache.example", redis),
        server("revocations-file", Text, files.url.path(), redis),
        server("revocations-on-outage", Text, "refuse:7s", |server| {
            server.revocations.on_outage == OnOutage::Refuse { after: seconds(7) }
        }),
        server("log", Text, "omneo_id=debug", |server| {
            server.log_filter().to_string() == "omneo_id=debug"
        }),
        server("log-format", Text, "json", |server| {
            server.log_format == LogFormat::Json
        }),
        server("log-client-address", Switch, "true", |server| {
            server.log_client_address
        }),
        server("metrics-listen", Text, "127.0.0.1:9464", |server| {
            server.metrics_listen.as_deref() == Some("127.0.0.1:9464")
        }),
    ]
}

fn tenant_cases(files: &Files) -> Vec<Case<'_>> {
    use Kind::{List, Number, Switch, Text};
    let (secret, pem) = (files.secret.path(), files.pem.path());
    vec![
        tenant("upstream", Text, "https://b.example", |tenant| {
            tenant.upstream.as_deref() == Some("https://b.example")
        }),
        tenant("insecure-upstream", Switch, "true", |tenant| {
            tenant.insecure_upstream
        }),
        tenant("upstream-base", Text, "/api/v4", |tenant| {
            tenant.upstream_base == "/api/v4"
        }),
        tenant("sandbox", Switch, "true", |tenant| {
            tenant.sandbox().is_some()
        }),
        tenant("api-token", Text, "t-1", |tenant| {
            exposes(&tenant.api_token, "t-1")
        }),
        tenant("api-token-file", Text, secret, |tenant| {
            exposes(&tenant.api_token, SECRET)
        }),
        tenant("signing-key", Text, SECRET, |tenant| {
            tenant.keys.signing.as_ref().unwrap().expose() == SECRET.as_bytes()
        }),
        tenant("signing-key-file", Text, pem, |tenant| {
            tenant.keys.are_public()
        }),
        tenant("key-id", Text, "2026-11", |tenant| {
            tenant.keys.key_id.as_deref() == Some("2026-11")
        }),
        tenant("verifying-key-file", List, secret, |tenant| {
            tenant.keys.verifying[0].expose() == SECRET.as_bytes()
        }),
        tenant("issuer", Text, "id", |tenant| {
            tenant.issuer.as_deref() == Some("id")
        }),
        tenant("audience", Text, "shops", |tenant| {
            tenant.audience.as_deref() == Some("shops")
        }),
        tenant("token-ttl", Text, "7m", |tenant| {
            tenant.token_ttl == seconds(420)
        }),
        tenant("leeway", Text, "7s", |tenant| tenant.leeway == seconds(7)),
        tenant("token-cache", Number, "7", |tenant| tenant.token_cache == 7),
        tenant("verify-cache", Text, "7s", |tenant| {
            tenant.verify_cache == Some(seconds(7))
        }),
        tenant("pinned-api-token-file", Text, secret, |tenant| {
            let tokens = tenant.pinned_api_tokens.as_deref().unwrap();
            matches!(tokens, [token] if exposes(token, SECRET))
        }),
        tenant("refresh", Text, "7h", |tenant| {
            tenant.refresh.unwrap().max_age == seconds(7 * 3600)
        }),
        Case {
            others: &["refresh"],
            ..tenant("refresh-rotate", Switch, "true", |tenant| {
                tenant.refresh.unwrap().rotate
            })
        },
        tenant("webhook-secret", Text, SECRET, |tenant| {
            exposes(&tenant.webhook_secrets[0], SECRET)
        }),
        tenant("webhook-secret-file", Text, secret, |tenant| {
            exposes(&tenant.webhook_secrets[0], SECRET)
        }),
        tenant("policy", Text, files.rules.path(), |tenant| {
            let policy = tenant.access.as_ref().unwrap().policy().unwrap();
            policy.permits(&http::Method::GET, "/lists")
                && !policy.permits(&http::Method::PUT, "/lists")
        }),
        tenant("uniform-latency", Text, "7s", |tenant| {
            tenant.sign_up.uniform_latency == Some(seconds(7))
        }),
        tenant("conceal-validation", Switch, "true", |tenant| {
            tenant.sign_up.conceal_validation
        }),
        tenant("consent-field", List, "whatsapp_promo", |tenant| {
            tenant.sign_up.consent_fields == ["whatsapp_promo"]
        }),
        tenant("sign-up-body-limit", Number, "700", |tenant| {
            tenant.sign_up.body_limit == 700
        }),
        tenant("forward-request-header", List, "x-storefront", |tenant| {
            tenant.forward_request_headers == ["x-storefront"]
        }),
        tenant("pass-response-header", List, "set-cookie", |tenant| {
            tenant.pass_response_headers == ["set-cookie"]
        }),
        tenant("drop-response-header", List, "x-internal", |tenant| {
            tenant.drop_response_headers == ["x-internal"]
        }),
        tenant("forwarding", Text, "both", |tenant| {
            tenant.forwarding == Forwarding::both()
        }),
        tenant("via", Switch, "true", |tenant| {
            tenant.forwarding == Forwarding::default().with_via()
        }),
        tenant("head-timeout", Text, "7s", |tenant| {
            tenant.head_timeout == seconds(7)
        }),
        tenant("body-idle-timeout", Text, "7s", |tenant| {
            tenant.body_idle_timeout == seconds(7)
        }),
        tenant("body-read-timeout", Text, "7s", |tenant| {
            tenant.body_read_timeout == seconds(7)
        }),
        tenant("cors-origin", List, "https://shop.example", |tenant| {
            let origin = "https://shop.example".parse().unwrap();
            tenant.cors.as_ref().unwrap().allows(&origin)
        }),
        Case {
            others: &["cors-origin"],
            ..tenant("cors-header", List, "x-shop", |tenant| {
                let headers = &tenant.cors.as_ref().unwrap().headers;
                headers.iter().any(|name| name == "x-shop")
            })
        },
        Case {
            others: &["cors-origin"],
            ..tenant("cors-expose", List, "x-shop", |tenant| {
                let exposed = &tenant.cors.as_ref().unwrap().exposed;
                exposed.iter().any(|name| name == "x-shop")
            })
        },
        tenant("mount", Text, "/id", |tenant| tenant.mount == "/id"),
    ]
}

/// The flags that a tenant needs besides one of its settings.
fn tenant_without<'a>(flag: &str, is_sandbox: bool) -> Vec<&'a str> {
    let tenant = TENANT.chunks(2).filter(|pair| {
        let replaces_token = flag.starts_with("api-token") && pair[0] == "--api-token";
        pair[0] != format!("--{flag}") && !replaces_token
    });
    match is_sandbox {
        true => Vec::new(),
        false => tenant.flatten().copied().collect(),
    }
}

#[test]
fn every_flag_of_the_help_is_a_setting_of_these_tests() {
    let help = String::from_utf8(run(&["--help"], &[]).stdout).unwrap();
    let lines = help.lines().map(str::trim_start);
    let lines = lines.filter_map(|line| line.strip_prefix("--"));
    let flags: BTreeSet<_> = lines
        .filter_map(|line| line.split([' ', '.']).next())
        .collect();
    let files = Files::new("every-flag");
    let (server, tenant) = (server_cases(&files), tenant_cases(&files));
    let tested = server.iter().chain(&tenant).map(|case| case.flag);
    let tested: BTreeSet<_> = tested.chain(["config", "check"]).collect();
    assert_eq!(flags, tested);
}

#[test]
fn each_flag_and_each_variable_is_applied() {
    let files = Files::new("each-flag");
    let (server, tenant) = (server_cases(&files), tenant_cases(&files));
    for case in server.iter().chain(&tenant) {
        let others = server.iter().chain(&tenant);
        let others = others.filter(|other| case.others.contains(&other.flag));
        let others: Vec<String> = others.flat_map(Case::flags).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let base = tenant_without(case.flag, case.flag == "sandbox");
        let base = [&base[..], &others].concat();
        let flags = case.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let by_flag = parse(&[&base[..], &flags].concat(), &[]).unwrap();
        assert!((case.applies)(&by_flag), "--{}", case.flag);
        let (name, value) = case.variable();
        let by_variable = parse(&base, &[(&name, value)]).unwrap();
        assert!((case.applies)(&by_variable), "{name}");
        let same = by_flag.server == by_variable.server && by_flag.tenants == by_variable.tenants;
        assert!(same, "--{} and {name} differ", case.flag);
    }
}

/// A file with these lines of the server and of a tenant.
fn write(test: &str, server: &str, tenant: &str) -> Temporary {
    let text = format!("[server]\n{server}[[tenant]]\nkey = \"acme\"\n{tenant}");
    Temporary::new(&format!("{test}.toml"), text.as_bytes())
}

#[test]
fn each_field_of_the_file_is_applied() {
    let files = Files::new("each-field");
    let (server, tenant) = (server_cases(&files), tenant_cases(&files));
    for case in server.iter().chain(&tenant) {
        let is_server = server.iter().any(|server| server.flag == case.flag);
        let others = server.iter().chain(&tenant);
        let others = others.filter(|other| case.others.contains(&other.flag));
        let lines = others.chain([case]);
        let mut lines: String = lines
            .map(|case| field(case.flag, case.kind, case.value))
            .collect();
        let base = tenant_without(case.flag, case.flag == "sandbox");
        let base: String = base
            .chunks(2)
            .map(|pair| field(pair[0].trim_start_matches('-'), Kind::Text, pair[1]))
            .collect();
        let file = match is_server {
            true => write("each-field", &lines, &base),
            false => {
                lines.push_str(&base);
                write("each-field", "", &lines)
            }
        };
        let config = parse(&["--config", file.path()], &[]).unwrap();
        assert!((case.applies)(&config), "{}", case.flag);
        assert_eq!(config.tenants[0].key, "acme");
    }
}

#[test]
fn flags_and_variables_of_the_server_override_the_file() {
    let files = Files::new("override");
    for case in server_cases(&files) {
        if ["tls-cert", "tls-key", "tenant-ca"].contains(&case.flag) {
            continue;
        }
        let (in_file, kind) = match (case.flag, case.kind) {
            ("revocations-file" | "revocations", _) => ("memory", Kind::Text),
            ("log", _) => ("warn", Kind::Text),
            ("log-format", _) => ("text", Kind::Text),
            ("listen" | "metrics-listen", kind) => ("127.0.0.1:7777", kind),
            ("trusted-proxy", kind) => ("192.0.2.1", kind),
            ("revocations-on-outage", kind) => ("serve", kind),
            (_, Kind::Switch) => ("false", Kind::Switch),
            (_, Kind::Number) => ("99", Kind::Number),
            (_, kind) => ("99s", kind),
        };
        // A variable also overrides the counterpart of a field.
        let name = case.flag.trim_end_matches("-file");
        let file = write("override", &field(name, kind, in_file), "sandbox = true\n");
        let config = ["--config", file.path()];
        let from_file = parse(&config, &[]).unwrap();
        assert!(!(case.applies)(&from_file), "{}", case.flag);
        let flags = case.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let by_flag = parse(&[&config[..], &flags].concat(), &[]).unwrap();
        assert!((case.applies)(&by_flag), "--{}", case.flag);
        let (name, value) = case.variable();
        let by_variable = parse(&config, &[(&name, value)]).unwrap();
        assert!((case.applies)(&by_variable), "{name}");
    }
    let file = write(
        "override-off",
        "log_client_address = true\n",
        "sandbox = true\n",
    );
    let variables = [("OMNEO_ID_LOG_CLIENT_ADDRESS", "false")];
    let config = parse(&["--config", file.path()], &variables).unwrap();
    assert!(!config.server.log_client_address);
}

#[test]
fn flags_and_variables_of_a_tenant_are_errors_beside_tenants_of_the_file() {
    let files = Files::new("beside");
    let file = write("beside", "", "sandbox = true\n");
    for case in tenant_cases(&files) {
        let flags = case.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let flags = [&["--config", file.path()], &flags[..]].concat();
        let (name, value) = case.variable();
        let by_variable = parse(&flags[..2], &[(&name, value)]);
        for (problem, name) in [
            (parse(&flags, &[]), format!("--{}", case.flag)),
            (by_variable, name.clone()),
        ] {
            let problem = problem.expect_err("an error");
            let expected = format!("{name} configures a tenant, but the tenants are in ");
            assert!(problem.starts_with(&expected), "{problem}");
            assert_eq!(problem.lines().count(), 1, "{problem}");
        }
    }
}

#[test]
fn a_file_without_tenants_completes_flags() {
    let file = Temporary::new("server-only.toml", b"[server]\nthreads = 3\n");
    let flags = [&["--config", file.path()], &TENANT[..]].concat();
    let config = parse(&flags, &[]).unwrap();
    assert_eq!(config.server.threads.map(usize::from), Some(3));
    assert_eq!(config.tenants[0].key, "default");
    assert_eq!(config.tenants[0].audience, None);
    let file = Temporary::new("tenant-by.toml", b"[server]\ntenant_by = \"path\"\n");
    let flags = [&["--config", file.path()], &TENANT[..]].concat();
    let problem = parse(&flags, &[]).expect_err("an error");
    assert!(problem.contains("tenant_by has no effect"), "{problem}");
}

#[test]
fn the_defaults_that_the_example_shows_are_the_true_ones() {
    let example = include_str!("../../examples/standalone/deploy/omneo-id.toml");
    let lines = example.lines().map(|line| match line.strip_prefix('#') {
        Some(field) if !field.starts_with(' ') && !field.is_empty() => field,
        _ => line,
    });
    let explicit: String = lines.map(|line| format!("{line}\n")).collect();
    let files = [("implicit.toml", example), ("explicit.toml", &explicit)];
    let files = files.map(|(name, text)| Temporary::new(name, text.as_bytes()));
    let [implicit, explicit] = files.each_ref().map(|file| {
        let config = parse(&["--config", file.path()], &[]).unwrap();
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
        config
    });
    assert_eq!(implicit.server, explicit.server);
    assert_eq!(implicit.tenants[0], explicit.tenants[0]);
    assert_eq!(implicit.resolver, explicit.resolver);
}

#[test]
fn debug_shows_no_secret() {
    let files = Files::new("debug");
    let flags = [
        "--upstream",
        "https://a.example",
        "--api-token",
        SECRET,
        "--signing-key",
        SECRET,
        "--verifying-key-file",
        files.secret.path(),
        "--pinned-api-token-file",
        files.secret.path(),
        "--webhook-secret",
        SECRET,
    ];
    let url = format!("redis://:{SECRET}@cache.example");
    let config = parse(&flags, &[("OMNEO_ID_REVOCATIONS", &url)]).unwrap();
    let debug = format!("{config:?}");
    assert!(
        debug.contains("Secret(..)") && !debug.contains(SECRET),
        "{debug}"
    );
    let bytes = format!("{:?}", SECRET.as_bytes());
    assert!(!debug.contains(bytes.trim_matches(['[', ']'])), "{debug}");
}

/// Settings that exclude others, need a server of their own, or fix a port.
const NOT_TOGETHER: [&str; 14] = [
    "listen",
    "tls-cert",
    "tls-key",
    "metrics-listen",
    "revocations",
    "revocations-file",
    "revocations-on-outage",
    "upstream",
    "upstream-base",
    "insecure-upstream",
    "api-token-file",
    "signing-key",
    "pinned-api-token-file",
    "webhook-secret",
];

#[tokio::test]
async fn a_server_with_all_settings_serves() {
    let files = Files::new("all-settings");
    let (server, tenant) = (server_cases(&files), tenant_cases(&files));
    let cases = server.iter().chain(&tenant);
    let cases = cases.filter(|case| !NOT_TOGETHER.contains(&case.flag));
    let flags: Vec<String> = cases.flat_map(Case::flags).collect();
    let mut flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    flags.extend([
        "--metrics-listen",
        "127.0.0.1:0",
        "--upstream-base",
        "/api/v4",
    ]);
    let server = Server::start(&flags, &[]);
    let request = Request::post("/id/auth/token")
        .header("authorization", "Bearer t-1")
        .header("content-type", "application/json")
        .body(Full::from("{}"))
        .unwrap();
    let response = server.send(request).await;
    assert_eq!(response.status(), 200, "{:?}", response.body());
    let answer: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    let token = answer["data"]["token"].as_str().unwrap();
    let response = server.send(get_as(token, "/id/locations")).await;
    assert_eq!(response.status(), 200);
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0));
}
