//! Checks the settings of a tenant, and fills in the defaults.

use std::path::PathBuf;
use std::time::Duration;

use omneo_id::headers::{RequestHeaders, ResponseHeaders};
use omneo_id::sandbox::Sandbox;
use omneo_id::upsert::CommsPolicy;
use omneo_id::upstream::Forwarding;
use omneo_id::{SigningKey, Tenant};

use super::access_rules::AccessRules;
use super::checker::Checker;
use super::keys::{self, Keys};
use super::model::Config;
use super::secrets::{self, Secret};
use super::sessions::Refresh;
use super::setting::Setting;
use super::tenant::{SignUp, TenantConfig};
use super::tenant_fields::TenantFields;
use super::values;
use crate::cors::{self, Cors};

/// The age until which sessions of the sandbox are refreshed, so that a demonstration needs no
/// flag.
const SANDBOX_REFRESH: Duration = Duration::from_secs(12 * 60 * 60);
/// Upper bounds against typing errors, far above useful values.
const MAX_TOKENS: usize = 1_000_000;
const MAX_IN_FLIGHT: usize = 1_000_000;
const MAX_BODY: usize = 16 * 1024 * 1024;

/// Checks the settings, and builds the service as a dry run. `key` is the tenant's name, which is
/// empty after an error in its field. `random` is a key for the dry run of tenants without a
/// signing key.
pub(super) fn tenant(
    checker: &mut Checker<'_>,
    fields: &TenantFields,
    key: &str,
    random: &SigningKey,
) -> TenantConfig {
    let is_sandbox = fields.upstream.is_none();
    let api_token = checker.secret(
        "api_token",
        &fields.api_token,
        "api_token_file",
        &fields.api_token_file,
    );
    let is_configured = fields.api_token.is_some() || fields.api_token_file.is_some();
    let public_token = (is_sandbox && !is_configured).then_some(Sandbox::API_TOKEN);
    let token_ttl = checker.duration("token_ttl", &fields.token_ttl, 3600, values::duration);
    let token_cache = checker.number("token_cache", &fields.token_cache, 0..=MAX_TOKENS);
    let in_flight = checker.number("max_in_flight", &fields.max_in_flight, 1..=MAX_IN_FLIGHT);
    let audience = checker.text("audience", &fields.audience);
    let base = checker.text("upstream_base", &fields.upstream_base);
    let pass = &fields.pass_response_header;
    let drop = &fields.drop_response_header;
    let tenant = TenantConfig {
        key: key.to_owned(),
        hosts: checker.parse_each("hosts", &fields.hosts, values::host),
        upstream: checker.text("upstream", &fields.upstream),
        insecure_upstream: checker.switch("insecure_upstream", &fields.insecure_upstream),
        upstream_base: base.unwrap_or_else(|| Tenant::DEFAULT_BASE_PATH.to_owned()),
        api_token: api_token.unwrap_or_else(|| Secret::new(Sandbox::API_TOKEN)),
        public_token,
        keys: tenant_keys(checker, fields),
        issuer: checker.text("issuer", &fields.issuer),
        audience: audience.or_else(|| default_audience(key)),
        token_ttl,
        leeway: checker.duration("leeway", &fields.leeway, 5, values::duration),
        token_cache: token_cache.unwrap_or(1024),
        verify_cache: checker.optional_duration("verify_cache", &fields.verify_cache),
        pinned_api_tokens: checker.file(
            "pinned_api_token_file",
            &fields.pinned_api_token_file,
            secrets::read_lines,
        ),
        refresh: refresh(checker, fields, token_ttl),
        webhook_secrets: webhook_secrets(checker, fields),
        access: access(checker, &fields.policy),
        sign_up: sign_up(checker, fields),
        forward_request_headers: checker.parse_each(
            "forward_request_header",
            &fields.forward_request_header,
            |name| named(name, RequestHeaders::default().allow(name)),
        ),
        pass_response_headers: checker.parse_each("pass_response_header", pass, |name| {
            named(name, ResponseHeaders::default().allow(name))
        }),
        drop_response_headers: checker.parse_each("drop_response_header", drop, |name| {
            named(name, ResponseHeaders::default().remove(name))
        }),
        forwarding: forwarding(checker, fields),
        head_timeout: checker.duration("head_timeout", &fields.head_timeout, 30, values::timeout),
        body_idle_timeout: checker.duration(
            "body_idle_timeout",
            &fields.body_idle_timeout,
            60,
            values::timeout,
        ),
        body_read_timeout: checker.duration(
            "body_read_timeout",
            &fields.body_read_timeout,
            30,
            values::timeout,
        ),
        max_in_flight: in_flight,
        cors: cors(checker, fields),
        mount: (checker.text("mount", &fields.mount)).unwrap_or_else(|| "/id/api/v1".to_owned()),
    };
    // A field with a reported error has its default here, so it is not reported again.
    for (field, error) in tenant.dry_run(random) {
        match field {
            Some(field) => checker.failed(field, &error.to_string()),
            None => checker.errors.push(error.to_string()),
        }
    }
    tenant
}

/// The key of the tenant, so that tokens of one tenant are rejected by the others. `None` for the
/// tenant of flags, which is the only one.
fn default_audience(key: &str) -> Option<String> {
    (!key.is_empty() && key != Config::FLAGS_KEY).then(|| key.to_owned())
}

/// The keys. Each verifying key is checked by itself.
fn tenant_keys(checker: &mut Checker<'_>, fields: &TenantFields) -> Keys {
    let secret = &fields.signing_key;
    let file = &fields.signing_key_file;
    let signing = match (secret, file) {
        (None, Some(setting)) => {
            let key = checker.file("signing_key_file", file, secrets::read_key);
            let name = checker.name("signing_key_file");
            let path = checker.path(setting);
            checker.alias("signing_key", format!("{name}: {}", path.display()));
            key
        }
        _ => {
            let secret = checker.secret("signing_key", secret, "signing_key_file", file);
            secret.map(|secret| Secret::new(secret.expose().as_bytes()))
        }
    };
    let mut verifying = Vec::new();
    for file in fields.verifying_key_file.iter().flatten() {
        let file = Some(file.clone());
        verifying.extend(checker.file("verifying_key_file", &file, |path| {
            let key = secrets::read_key(path)?;
            match keys::verifying_keys(key.expose()) {
                Ok(_) => Ok(key),
                Err(error) => Err(format!("{}: {error}", path.display())),
            }
        }));
    }
    Keys {
        signing,
        key_id: checker.parse("key_id", &fields.key_id, |id| keys::key_id(id)),
        verifying,
    }
}

fn webhook_secrets(checker: &mut Checker<'_>, fields: &TenantFields) -> Vec<Secret> {
    let (secret, file) = (&fields.webhook_secret, &fields.webhook_secret_file);
    if secret.is_some() {
        let secret = checker.secret("webhook_secret", secret, "webhook_secret_file", file);
        return secret.into_iter().collect();
    }
    let secrets = checker.file("webhook_secret_file", file, secrets::read_lines);
    checker.alias("webhook_secret", checker.name("webhook_secret_file"));
    secrets.unwrap_or_default()
}

fn refresh(
    checker: &mut Checker<'_>,
    fields: &TenantFields,
    token_ttl: Duration,
) -> Option<Refresh> {
    let rotate = checker.switch("refresh_rotate", &fields.refresh_rotate);
    let text = &fields.refresh;
    let max_age = match checker.parse("refresh", text, |text| refresh_age(text)) {
        Some(max_age) => max_age,
        None if fields.upstream.is_none() && text.is_none() => Some(SANDBOX_REFRESH),
        None => None,
    };
    let name = checker.name("refresh");
    let warning = match max_age {
        None if rotate => {
            let rotate = checker.name("refresh_rotate");
            Some(format!("{rotate} has no effect without --refresh"))
        }
        Some(max_age) if max_age <= token_ttl && text.is_some() => Some(format!(
            "{name} is not longer than the lifetime of a token: \
             a refresh does not prolong sessions",
        )),
        _ => None,
    };
    checker.warnings.extend(warning);
    max_age.map(|max_age| Refresh { max_age, rotate })
}

/// `None` for `off`.
fn refresh_age(text: &str) -> Result<Option<Duration>, String> {
    match text {
        "off" => Ok(None),
        text => values::whole_seconds(text).map(Some),
    }
}

/// The rules of access. The value is `open`, the name of a preset, or the path of a file.
fn access(checker: &mut Checker<'_>, policy: &Option<Setting<String>>) -> Option<AccessRules> {
    let setting = policy.as_ref().filter(|policy| policy.value != "open")?;
    if let Some(preset) = AccessRules::preset(&setting.value) {
        return Some(preset);
    }
    let file = Some(Setting {
        value: PathBuf::from(&setting.value),
        offset: setting.offset,
    });
    let (path, rules) = checker.file("policy", &file, |path| {
        let text = secrets::read_text(path, 64 * 1024)?;
        Ok((path.to_owned(), AccessRules::parse(&text)))
    })?;
    match rules {
        Ok(rules) => Some(rules),
        Err(problems) => {
            for problem in problems {
                checker.failed("policy", &format!("{}: {problem}", path.display()));
            }
            None
        }
    }
}

fn sign_up(checker: &mut Checker<'_>, fields: &TenantFields) -> SignUp {
    let consent = &fields.consent_field;
    let limit = &fields.sign_up_body_limit;
    SignUp {
        uniform_latency: checker.optional_duration("uniform_latency", &fields.uniform_latency),
        conceal_validation: checker.switch("conceal_validation", &fields.conceal_validation),
        consent_fields: checker.parse_each("consent_field", consent, |name| {
            named(name, CommsPolicy::new().add_field(name))
        }),
        consent_defaults_on_update: checker.switch(
            "consent_defaults_on_update",
            &fields.consent_defaults_on_update,
        ),
        body_limit: checker
            .number("sign_up_body_limit", limit, 1..=MAX_BODY)
            .unwrap_or(64 * 1024),
    }
}

/// The name, if the library accepts it: `result` is that of the call with the name.
fn named<T>(name: &str, result: Result<T, omneo_id::error::ConfigError>) -> Result<String, String> {
    match result {
        Ok(_) => Ok(name.to_owned()),
        Err(error) => Err(format!("{name:?} is invalid: {error}")),
    }
}

fn forwarding(checker: &mut Checker<'_>, fields: &TenantFields) -> Forwarding {
    let forwarding = checker.parse("forwarding", &fields.forwarding, |text| {
        match text.as_str() {
            "x-forwarded" => Ok(Forwarding::x_forwarded()),
            "forwarded" => Ok(Forwarding::forwarded()),
            "both" => Ok(Forwarding::both()),
            "none" => Ok(Forwarding::none()),
            other => Err(format!(
                "{other:?} is none of x-forwarded, forwarded, both and none"
            )),
        }
    });
    let forwarding = forwarding.unwrap_or_default();
    match checker.switch("via", &fields.via) {
        true => forwarding.with_via(),
        false => forwarding,
    }
}

fn cors(checker: &mut Checker<'_>, fields: &TenantFields) -> Option<Cors> {
    let origins = checker.list("cors_origin", &fields.cors_origin);
    let origins = cors::parse_origins(&origins).unwrap_or_else(|problem| {
        checker.invalid("cors_origin", &problem);
        None
    });
    let header = |name: &str| cors::header_names(&[name.to_owned()]);
    let headers = checker.parse_each("cors_header", &fields.cors_header, header);
    let exposed = checker.parse_each("cors_expose", &fields.cors_expose, header);
    let Some(origins) = origins else {
        for (field, is_set) in [
            ("cors_header", !headers.is_empty()),
            ("cors_expose", !exposed.is_empty()),
        ] {
            if is_set {
                let name = checker.name(field);
                let warning = format!("{name} has no effect without --cors-origin");
                checker.warnings.push(warning);
            }
        }
        return None;
    };
    Some(Cors::new(origins, headers.concat(), exposed.concat()))
}
