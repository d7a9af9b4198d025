//! `--check`: the process reports the problems of a configuration and exits.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::process::{SECRET, run};
use crate::secret_files::Temporary;

const CERTIFICATE: &[u8] = include_bytes!("../tls/tenant.cert.der");
const KEY: &[u8] = include_bytes!("../tls/tenant.key.der");

/// DER as a PEM block.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

/// The certificate and the key of the tests, in files.
pub(crate) fn certificate_files(name: &str) -> (Temporary, Temporary) {
    let certificate = pem("CERTIFICATE", CERTIFICATE);
    let key = pem("PRIVATE KEY", KEY);
    (
        Temporary::new(&format!("{name}-cert"), certificate.as_bytes()),
        Temporary::new(&format!("{name}-key"), key.as_bytes()),
    )
}

/// The exit code, stdout and stderr of `--check`.
pub(crate) fn check(flags: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = run(&[flags, &["--check"]].concat(), variables);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    for text in [&stdout, &stderr] {
        assert!(!text.contains("hunter2"), "{text}");
        assert!(!text.contains(SECRET), "{text}");
    }
    (output.status.code(), stdout, stderr)
}

#[test]
fn a_valid_configuration_exits_with_0() {
    let valid = "configuration is valid: 1 tenant\n".to_owned();
    assert_eq!(check(&[], &[]), (Some(0), valid.clone(), String::new()));
    let variables = [("OMNEO_ID_CHECK", "true")];
    let output = run(&[], &variables);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), valid);
    let example = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/standalone/deploy/omneo-id.toml"
    );
    let (code, stdout, stderr) = check(&["--config", example], &[]);
    assert_eq!((code, &*stderr), (Some(0), ""));
    assert_eq!(stdout, "configuration is valid: 2 tenants\n");
    let (code, stdout, _) = check(&["--refresh-rotate", "--refresh", "off"], &[]);
    assert_eq!(code, Some(0));
    assert!(
        stdout.starts_with("warning: --refresh-rotate has no"),
        "{stdout}"
    );
}

#[test]
fn all_problems_of_a_file_are_reported_at_once_without_secrets() {
    let (certificate, _) = certificate_files("all-problems");
    let other = Temporary::new(
        "all-problems-other",
        crate::secret_files::ED25519.as_bytes(),
    );
    let rules = Temporary::new(
        "all-problems-rules",
        b"permit GET /\nallow get /\ndeny GET\n",
    );
    let (cert, other, rules) = (certificate.path(), other.path(), rules.path());
    let file = format!(
        r#"
[server]
listen = ["nowhere", "unix:"]
tls_cert = "{cert}"
tls_key = "{other}"
trusted_proxy = ["10.0.0.0/33"]
threads = 0
drain_delay = "soon"
tenant_ca = "{other}"
revocations = "redis://:hunter2@"
log = "omneo_id=loud"
thread = 1

[[tenant]]
key = "Acme"
hosts = ["https://shop.example"]
upstream = "http://api.acme.getomneo.com"
api_token = "hunter2 hunter2"
signing_key = "hunter2"
key_id = ""
verifying_key_file = ["/no/such/file", "{cert}"]
token_ttl = "0s"
leeway = "2h"
verify_cache = "2m"
refresh = "1500ms"
webhook_secret = "hunter2"
policy = "{rules}"
uniform_latency = "2m"
consent_field = ["email_bounced"]
sign_up_body_limit = 0
forward_request_header = ["cookie"]
pass_response_header = ["authorization"]
drop_response_header = ["a:b"]
forwarding = "all"
head_timeout = "0s"
cors_origin = ["shop.example"]
mount = "id"

[[tenant]]
key = "b"
sandbox = true
upstream = "https://b.example"
api_token = "{SECRET}"
api_token_file = "/no/such/file"

[[tenant]]
key = "b"
hosts = ["id.b.example"]
audience = "b"

[[tenant]]
hosts = ["ID.b.example."]
upstream = "https://c.example"
"#
    );
    let file = Temporary::new("all-problems.toml", file.as_bytes());
    let path = file.path();
    let (code, stdout, stderr) = check(&["--config", path], &[]);
    assert_eq!((code, &*stdout), (Some(2), ""), "{stderr}");
    for (line, text) in [
        (3, "listen \"nowhere\""),
        (3, "listen \"unix:\" has no path"),
        (5, "tls_key: "),
        (6, "trusted_proxy "),
        (7, "threads \"0\" is not a number"),
        (8, "drain_delay \"soon\""),
        (9, "tenant_ca: "),
        (10, "revocations: "),
        (11, "log "),
        (
            12,
            "\"thread\" is not a field of [server]: threads is meant",
        ),
        (15, "key \"Acme\""),
        (16, "hosts "),
        (17, "upstream: "),
        (18, "api_token: "),
        (19, "signing_key: "),
        (20, "key_id is invalid"),
        (21, "verifying_key_file: cannot read /no/such/file"),
        (21, &*format!("verifying_key_file: {cert}: ")),
        (22, "token_ttl: "),
        (23, "leeway: "),
        (24, "verify_cache: "),
        (25, "refresh "),
        (26, "webhook_secret: "),
        (
            27,
            &*format!("policy: {rules}: line 1: \"permit\" is neither"),
        ),
        (27, &*format!("policy: {rules}: line 2: ")),
        (27, &*format!("policy: {rules}: line 3: ")),
        (28, "uniform_latency: "),
        (29, "consent_field \"email_bounced\""),
        (30, "sign_up_body_limit \"0\""),
        (31, "forward_request_header \"cookie\""),
        (32, "pass_response_header \"authorization\""),
        (33, "drop_response_header \"a:b\""),
        (34, "forwarding \"all\""),
        (35, "head_timeout must be longer"),
        (36, "cors_origin "),
        (37, "mount: "),
        (39, "the tenant has upstream and sandbox"),
        (39, "the tenant needs hosts"),
        (39, "the embedded sandbox must be the only [[tenant]]"),
        (43, "api_token and "),
        (46, "the tenant needs upstream"),
        (
            46,
            &*format!("the key \"b\" is also that of the tenant at {path}:39"),
        ),
        (51, "a [[tenant]] needs a key"),
        (51, "the tenant needs api_token"),
        (
            51,
            &*format!("the host \"id.b.example\" is also that of the tenant at {path}:46"),
        ),
    ] {
        let expected = format!("{path}:{line}: {text}");
        let lines = stderr
            .lines()
            .map(|line| line.trim_start_matches("error: "));
        let found = lines.filter(|line| line.starts_with(&expected)).count();
        assert_eq!(found, 1, "{expected:?} is not one line of\n{stderr}");
    }
    assert_eq!(stderr.lines().count(), 45, "{stderr}");
}

#[test]
fn all_problems_of_flags_are_reported_at_once() {
    let flags = ["--threads", "0", "--token-ttl", "soon", "--mount", "id"];
    let (code, _, stderr) = check(&flags, &[("OMNEO_ID_IDLE_TIMEOUT", "never")]);
    assert_eq!(code, Some(2));
    assert_eq!(stderr.lines().count(), 4, "{stderr}");
    for name in [
        "--threads ",
        "--token-ttl ",
        "--mount: ",
        "OMNEO_ID_IDLE_TIMEOUT ",
    ] {
        assert!(stderr.contains(name), "{stderr}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_one_line() {
    let not_utf8 = Temporary::new("not-utf8.toml", b"\xff");
    for (path, hint) in [("/no/such/file", "cannot read"), (not_utf8.path(), "UTF-8")] {
        let (code, _, stderr) = check(&["--config", path], &[]);
        assert_eq!((code, stderr.lines().count()), (Some(2), 1), "{stderr}");
        assert!(stderr.starts_with("error: --config: "), "{stderr}");
        assert!(stderr.contains(path) && stderr.contains(hint), "{stderr}");
    }
    let (code, _, stderr) = check(&[], &[("OMNEO_ID_CONFIG", "/no/such/file")]);
    assert_eq!(code, Some(2));
    assert!(stderr.starts_with("error: OMNEO_ID_CONFIG: "), "{stderr}");
}

#[test]
fn a_certificate_needs_its_key() {
    let (certificate, key) = certificate_files("its-key");
    let (cert, key) = (certificate.path(), key.path());
    let flags = ["--tls-cert", cert, "--tls-key", key];
    assert_eq!(check(&flags, &[]).0, Some(0));
    let other = Temporary::new("other-key", crate::secret_files::ED25519.as_bytes());
    let not_der = Temporary::new("not-der", pem("CERTIFICATE", b"abc").as_bytes());
    let not_der = not_der.path();
    let test_key = |name| format!("{}/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"));
    let (encrypted, rsa1024) = (test_key("encrypted.pem"), test_key("rsa1024.pem"));
    for (flags, hint) in [
        (&["--tls-cert", cert][..], "--tls-cert needs --tls-key too"),
        (&["--tls-key", key], "--tls-key needs --tls-cert too"),
        (
            &["--tls-cert", cert, "--tls-key", other.path()],
            &format!(
                "--tls-key: {}: the key does not belong to {cert}",
                other.path()
            ),
        ),
        (&["--tls-cert", key, "--tls-key", key], "--tls-cert: "),
        (&["--tls-cert", cert, "--tls-key", cert], "--tls-key: "),
        (
            &["--tls-cert", "/no/such/file", "--tls-key", key],
            "--tls-cert: cannot read /no/such/file",
        ),
        (
            &["--tls-cert", not_der, "--tls-key", key],
            &format!("--tls-cert: {not_der}: "),
        ),
        (
            &["--tls-cert", cert, "--tls-key", &encrypted],
            &format!("--tls-key: {encrypted}: the private key is encrypted"),
        ),
        (
            &["--tls-cert", cert, "--tls-key", &rsa1024],
            &format!("--tls-key: {rsa1024}: the key is malformed or not supported"),
        ),
    ] {
        let (code, _, stderr) = check(flags, &[]);
        assert_eq!((code, stderr.lines().count()), (Some(2), 1), "{stderr}");
        assert!(stderr.contains(hint), "{stderr}");
    }
}

#[test]
fn a_server_in_production_does_not_start_with_the_sandbox_by_mistake() {
    let empty = Temporary::new("no-tenant.toml", b"[server]\nthreads = 2\n");
    let (code, _, stderr) = check(&["--config", empty.path()], &[]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("has no [[tenant]]"), "{stderr}");
    let tenant = ["--upstream", "https://a.example", "--api-token", "t"];
    for tenant in [&["--sandbox"][..], &tenant] {
        let flags = [&["--config", empty.path()], tenant].concat();
        assert_eq!(check(&flags, &[]).0, Some(0));
    }
}
