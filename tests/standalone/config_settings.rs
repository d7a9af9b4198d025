//! Each setting reaches the checked configuration, as a flag, as a variable and as a field of the
//! configuration file.

mod cases;

use std::collections::BTreeSet;
use std::ffi::OsString;

use http::Request;
use http_body_util::Full;

use self::cases::{Case, Files, Kind, field, server_cases, tenant_cases};
use crate::config::{Config, Parsed};
use crate::process::{SECRET, Server, get_as, run};
use crate::secret_files::Temporary;

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
