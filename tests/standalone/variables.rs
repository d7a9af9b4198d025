//! Environment variables.

use std::ffi::OsString;

use omneo_id::upstream::Forwarding;

use crate::config::{Config, Parsed};
use crate::process::{SECRET, Server, run};
use crate::secret_files::Temporary;

const README: &str = include_str!("../../README.md");

pub(crate) const TENANT: [(&str, &str); 2] = [
    ("OMNEO_ID_UPSTREAM", "https://api.acme.getomneo.com"),
    ("OMNEO_ID_API_TOKEN", "the-token"),
];

fn parse(flags: &[&str], variables: &[(&str, &str)]) -> Result<Config, String> {
    let argv = std::iter::once(&"standalone").chain(flags);
    let variables = variables.iter();
    let variables = variables.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    match Config::parse(argv.map(OsString::from), variables)? {
        Parsed::Serve(config) => Ok(*config),
        Parsed::Print(text) => panic!("{text}"),
    }
}

pub(crate) fn problem(flags: &[&str], variables: &[(&str, &str)]) -> String {
    match parse(flags, variables) {
        Ok(_) => panic!("{flags:?} {variables:?} is accepted"),
        Err(problem) => problem,
    }
}

#[test]
fn every_flag_has_a_variable_of_its_name_and_a_row_in_the_readme() {
    let help = run(&["--help"], &[]).stdout;
    let help = String::from_utf8(help).unwrap();
    let mut flags = 0;
    let words: Vec<_> = help.split_whitespace().collect();
    for line in help.lines().map(str::trim_start) {
        let Some(flag) = line.strip_prefix("--") else {
            continue;
        };
        let flag = flag.split([' ', '.']).next().unwrap();
        if ["help", "version"].contains(&flag) {
            continue;
        }
        let variable = format!("OMNEO_ID_{}", flag.to_uppercase().replace('-', "_"));
        assert!(words.contains(&&*format!("{variable}]")), "{variable}");
        let row = format!("| `--{flag}` | `{variable}` |");
        assert!(README.contains(&row), "{row}");
        flags += 1;
    }
    assert!(flags > 20, "{help}");
}

#[test]
fn a_tenant_is_configurable_by_current_and_by_deprecated_names() {
    let older = [
        ("OMNEO_UPSTREAM", "https://api.acme.getomneo.com"),
        ("OMNEO_API_TOKEN", "the-token"),
        ("OMNEO_UPSTREAM_BASE", "/api/v4"),
        ("OMNEO_ID_CORS_ORIGINS", "https://shop.example"),
        ("RUST_LOG", "warn"),
    ];
    let current = [
        TENANT[0],
        TENANT[1],
        ("OMNEO_ID_UPSTREAM_BASE", "/api/v4"),
        ("OMNEO_ID_CORS_ORIGIN", "https://shop.example"),
        ("OMNEO_ID_LOG", "warn"),
    ];
    let both = [&older[..], &current[..]].concat();
    for variables in [&older[..], &current, &both] {
        let config = parse(&[], variables).unwrap();
        let tenant = "https://api.acme.getomneo.com/api/v4";
        assert_eq!(config.tenants[0].location(), tenant);
        assert_eq!(config.tenants[0].api_token.expose(), "the-token");
        assert_eq!(config.server.log, "warn");
        let cors = config.tenants[0].cors.as_ref().expect("an origin");
        assert!(cors.allows(&"https://shop.example".parse().unwrap()));
        assert!(config.tenants[0].sandbox().is_none());
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }
}

#[test]
fn the_current_name_overrides_the_deprecated_one() {
    let older = [
        ("OMNEO_UPSTREAM", "https://api.older.getomneo.com"),
        ("OMNEO_API_TOKEN", "the-older-token"),
    ];
    let config = parse(&[], &[&TENANT[..], &older].concat()).unwrap();
    assert_eq!(
        config.tenants[0].location(),
        "https://api.acme.getomneo.com/api/v3"
    );
    assert_eq!(config.tenants[0].api_token.expose(), "the-token");
    assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
    for (warning, (older, _)) in config.warnings.iter().zip(older) {
        assert!(warning.starts_with(older), "{warning}");
        assert!(!warning.contains("the-"), "{warning}");
    }
}

#[test]
fn a_credential_without_a_tenant_needs_sandbox() {
    let token = Temporary::new("lone-token", b"the-token");
    let key = Temporary::new("lone-key", SECRET.as_bytes());
    for (flag, variable, value) in [
        ("--api-token", "OMNEO_ID_API_TOKEN", "the-token"),
        ("--api-token", "OMNEO_API_TOKEN", "the-token"),
        ("--api-token-file", "OMNEO_ID_API_TOKEN_FILE", token.path()),
        ("--signing-key", "OMNEO_ID_SIGNING_KEY", SECRET),
        (
            "--signing-key-file",
            "OMNEO_ID_SIGNING_KEY_FILE",
            key.path(),
        ),
        ("--upstream-base", "OMNEO_ID_UPSTREAM_BASE", "/api/v4"),
        ("--upstream-base", "OMNEO_UPSTREAM_BASE", "/api/v4"),
    ] {
        let by_flag = problem(&[flag, value], &[]);
        assert!(by_flag.starts_with(flag), "{by_flag}");
        let by_variable = problem(&[], &[(variable, value)]);
        assert!(by_variable.starts_with(variable), "{by_variable}");
        for problem in [by_flag, by_variable] {
            assert!(problem.contains("--upstream") && problem.contains("--sandbox"));
            assert!(!problem.contains("the-token") && !problem.contains(SECRET));
        }
        assert!(
            parse(&["--sandbox", flag, value], &[]).unwrap().tenants[0]
                .sandbox()
                .is_some()
        );
        let variables = [(variable, value), ("OMNEO_ID_SANDBOX", "true")];
        assert!(
            parse(&[], &variables).unwrap().tenants[0]
                .sandbox()
                .is_some()
        );
        // An empty variable counts as unset.
        let variables = [(variable, value), ("OMNEO_ID_UPSTREAM", "")];
        assert!(problem(&[], &variables).starts_with(variable));
    }
    assert!(parse(&[], &[]).unwrap().tenants[0].sandbox().is_some());
    assert!(
        parse(&["--sandbox"], &[]).unwrap().tenants[0]
            .public_token
            .is_some()
    );
}

#[test]
fn a_mistyped_name_is_an_error() {
    for (given, meant) in [
        ("OMNEO_ID_UPSTREM", "OMNEO_ID_UPSTREAM"),
        ("OMNEO_ID_UPSTRAEM", "OMNEO_ID_UPSTREAM"),
        ("OMNEO_ID_UPSTREAMS_", "OMNEO_ID_UPSTREAM"),
        ("OMNEO_ID_API_TOKENS", "OMNEO_ID_API_TOKEN"),
        ("OMNEO_ID_APITOKEN", "OMNEO_ID_API_TOKEN"),
        ("OMNEO_ID_SIGNINGKEY", "OMNEO_ID_SIGNING_KEY"),
        ("OMNEO_ID_CORS_ORGIN", "OMNEO_ID_CORS_ORIGIN"),
        ("OMNEOID_UPSTREAM", "OMNEO_ID_UPSTREAM"),
        ("OMENO_ID_UPSTREAM", "OMNEO_ID_UPSTREAM"),
        ("omneo_id_upstream", "OMNEO_ID_UPSTREAM"),
        ("OMNEO_UPSTREM", "OMNEO_UPSTREAM"),
        ("OMNEO_API_TOKN", "OMNEO_API_TOKEN"),
        ("OMNEO_ID_LOG_FROMAT", "OMNEO_ID_LOG_FORMAT"),
    ] {
        for flags in [
            &[][..],
            &["--upstream", "https://a.example", "--api-token", "t"],
        ] {
            let problem = problem(flags, &[(given, "a-secret")]);
            assert!(problem.contains(given), "{problem}");
            assert!(problem.contains(&format!("{meant} is meant")), "{problem}");
            assert!(!problem.contains("a-secret"), "{problem}");
        }
        assert!(
            parse(&[], &[(given, "")]).is_ok(),
            "{given} without a value"
        );
    }
}

#[test]
fn other_unknown_names_are_one_warning() {
    let config = parse(
        &[],
        &[
            ("OMNEO_ID_COLOUR", "a-secret"),
            ("OMNEO_ID_REGION", "a-secret"),
            ("OMNEO_SIGNING_KEY", SECRET),
            ("OMNEO_ID_EMPTY", ""),
        ],
    );
    let warnings = config.unwrap().warnings;
    let [warning] = &warnings[..] else {
        panic!("{warnings:?}");
    };
    for name in [
        "OMNEO_ID_COLOUR",
        "OMNEO_ID_REGION",
        "OMNEO_ID_SIGNING_KEY is read",
    ] {
        assert!(warning.contains(name), "{warning}");
    }
    assert!(!warning.contains("a-secret") && !warning.contains(SECRET));
    assert!(!warning.contains("EMPTY"), "{warning}");
}

#[test]
fn variables_of_kubernetes_and_of_other_programs_are_ignored() {
    let config = parse(
        &[],
        &[
            ("OMNEO_ID_SERVICE_HOST", "10.0.0.1"),
            ("OMNEO_ID_SERVICE_PORT", "80"),
            ("OMNEO_ID_SERVICE_PORT_HTTP", "80"),
            ("OMNEO_ID_PORT", "tcp://10.0.0.1:80"),
            ("OMNEO_ID_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("OMNEO_ID_PORT_80_TCP_ADDR", "10.0.0.1"),
            ("OMNEO_SHOP_URL", "https://shop.example"),
            ("RUST_LOGS", "all"),
            ("PATH", "/bin"),
            ("LOG", "loud"),
        ],
    );
    let warnings = config.unwrap().warnings;
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn a_variable_without_a_value_counts_as_unset() {
    let variables = [
        ("OMNEO_ID_MOUNT", ""),
        ("OMNEO_ID_LISTEN", ""),
        ("OMNEO_ID_UPSTREAM", ""),
        ("OMNEO_ID_API_TOKEN", ""),
        ("OMNEO_API_TOKEN", ""),
        ("OMNEO_ID_SIGNING_KEY", ""),
        ("OMNEO_ID_SIGNING_KEY_FILE", ""),
        ("OMNEO_ID_TOKEN_TTL", ""),
        ("OMNEO_ID_CORS_ORIGIN", ""),
        ("OMNEO_ID_LOG_FORMAT", ""),
        ("OMNEO_ID_SANDBOX", ""),
        ("OMNEO_ID_VIA", ""),
        ("RUST_LOG", ""),
    ];
    let config = parse(&[], &variables).unwrap();
    assert_eq!(config.tenants[0].mount, "/id/api/v1");
    assert_eq!(config.server.log, "info");
    let tenant = &config.tenants[0];
    assert!(tenant.sandbox().is_some() && tenant.keys.signing.is_none() && tenant.cors.is_none());
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    // An empty variable with the current name does not override the deprecated one.
    let older = [
        TENANT[0],
        TENANT[1],
        ("OMNEO_UPSTREAM_BASE", "/api/v4"),
        ("OMNEO_ID_UPSTREAM_BASE", ""),
    ];
    assert_eq!(
        parse(&[], &older).unwrap().tenants[0].upstream_base,
        "/api/v4"
    );
}

#[test]
fn a_flag_overrides_the_variables_of_its_counterpart() {
    let token = Temporary::new("alternative", b"token-of-the-file\n");
    let with_file = [&TENANT[..], &[("OMNEO_ID_API_TOKEN_FILE", "/no/such/file")]].concat();
    let config = parse(&["--api-token", "typed"], &with_file).unwrap();
    assert_eq!(config.tenants[0].api_token.expose(), "typed");
    let config = parse(&["--api-token-file", token.path()], &TENANT).unwrap();
    assert_eq!(config.tenants[0].api_token.expose(), "token-of-the-file");
    assert!(
        parse(&["--sandbox"], &TENANT).unwrap().tenants[0]
            .sandbox()
            .is_some()
    );
    let sandbox = [("OMNEO_ID_SANDBOX", "true"), TENANT[1]];
    let config = parse(&["--upstream", "https://a.example"], &sandbox).unwrap();
    assert!(config.tenants[0].sandbox().is_none());

    for (flags, variables) in [
        (&[][..], &with_file[..]),
        (
            &["--api-token", "t", "--api-token-file", token.path()],
            &TENANT[..1],
        ),
        (
            &["--sandbox", "--upstream", "https://a.example"],
            &TENANT[1..],
        ),
        (&[], &[TENANT[0], TENANT[1], ("OMNEO_ID_SANDBOX", "yes")]),
    ] {
        let problem = problem(flags, variables);
        assert!(problem.contains("not both"), "{problem}");
    }
}

#[test]
fn a_switch_is_true_or_false() {
    for (value, expected) in [
        ("true", true),
        ("1", true),
        ("Yes", true),
        ("false", false),
        ("0", false),
    ] {
        let variables = [
            ("OMNEO_ID_VIA", value),
            TENANT[0],
            TENANT[1],
            ("OMNEO_ID_SANDBOX", "off"),
        ];
        let config = parse(&[], &variables).unwrap();
        let via = Forwarding::default().with_via();
        let forwarding = &config.tenants[0].forwarding;
        assert_eq!(*forwarding == via, expected, "{value}");
        assert!(config.tenants[0].sandbox().is_none());
    }
    assert!(problem(&[], &[("OMNEO_ID_VIA", "omneo")]).starts_with("OMNEO_ID_VIA"));
    let config = parse(&["--via"], &[]).unwrap();
    assert_eq!(
        config.tenants[0].forwarding,
        Forwarding::default().with_via()
    );
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf8_is_an_error_with_the_variable_name() {
    use std::os::unix::ffi::OsStringExt;
    let value = OsString::from_vec(b"\xff".to_vec());
    for name in ["OMNEO_ID_LISTEN", "OMNEO_API_TOKEN"] {
        let variables = [(name.into(), value.clone())];
        let problem = Config::parse(["standalone".into()], variables).err();
        assert_eq!(problem, Some(format!("{name} is not UTF-8")));
    }
    let unknown = [(value.clone(), value)];
    assert!(Config::parse(["standalone".into()], unknown).is_ok());
}

#[test]
fn cors_headers_without_an_origin_are_a_warning() {
    let variables = [("OMNEO_ID_CORS_EXPOSE", "x-shop")];
    let warnings = parse(&["--cors-header", "x-shop"], &variables)
        .unwrap()
        .warnings;
    let [header, expose] = &warnings[..] else {
        panic!("{warnings:?}");
    };
    assert!(header.starts_with("--cors-header "), "{header}");
    assert!(expose.starts_with("OMNEO_ID_CORS_EXPOSE "), "{expose}");
}

#[test]
fn a_mistyped_name_does_not_start_the_sandbox() {
    let output = run(
        &[],
        &[
            ("OMNEO_ID_UPSTREEM", "https://api.acme.getomneo.com"),
            ("OMNEO_API_TOKEN", "the-token"),
        ],
    );
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains("OMNEO_ID_UPSTREAM is meant"), "{stderr}");
}

#[test]
fn warnings_about_variables_are_in_the_log() {
    let server = Server::start(&[], &[("OMNEO_ID_COLOUR", "blue")]);
    let log = server.terminate().stderr;
    assert_eq!(log.matches("OMNEO_ID_COLOUR").count(), 1, "{log}");
    assert!(log.contains("WARN"), "{log}");
}
