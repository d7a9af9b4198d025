//! Reads flags, variables and the configuration file, and checks them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use omneo_id::SigningKey;

use super::arguments::{Arguments, Parsed};
use super::checker::Checker;
use super::file::{File, Source};
use super::flags::flag_names;
use super::model::{Config, ResolverConfig};
use super::setting::Setting;
use super::tenant::TenantConfig;
use super::tenant_check::tenant;
use super::tenant_fields::TenantFields;
use super::{keys, resolver, server_check, values};

/// Flags that configure a tenant. They are rejected without `--upstream` or `--sandbox`.
const TENANT_FLAGS: [&str; 11] = [
    "api-token",
    "api-token-file",
    "signing-key",
    "signing-key-file",
    "key-id",
    "verifying-key-file",
    "pinned-api-token-file",
    "upstream-base",
    "insecure-upstream",
    "webhook-secret",
    "webhook-secret-file",
];

impl Config {
    /// Parses the command line, environment variables for the flags that it omits, and the
    /// configuration file that they name. Reads all files again with each call.
    ///
    /// # Errors
    /// If a flag, a variable or the file is invalid. The message has one line per problem and
    /// contains no secret.
    pub(crate) fn parse(
        argv: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Parsed<Self>, String> {
        let mut environment: Vec<_> = environment.into_iter().collect();
        let ssl_cert_file = environment
            .iter()
            .position(|(name, value)| name == "SSL_CERT_FILE" && !value.is_empty())
            .map(|index| PathBuf::from(environment.swap_remove(index).1));
        let arguments = match Arguments::parse(argv, environment)? {
            Parsed::Serve(arguments) => *arguments,
            Parsed::Print(text) => return Ok(Parsed::Print(text)),
        };
        let is_check = arguments.flags.check.unwrap_or_default();
        let config = check(arguments, ssl_cert_file.as_deref())?;
        if !is_check {
            return Ok(Parsed::Serve(Box::new(config)));
        }
        let warnings = config.warnings.iter();
        let warnings: String = warnings
            .map(|warning| format!("warning: {warning}\n"))
            .collect();
        let tenants = match config.tenants.len() {
            1 => "1 tenant".to_owned(),
            number => format!("{number} tenants"),
        };
        let text = format!("{warnings}configuration is valid: {tenants}\n");
        Ok(Parsed::Print(text))
    }
}

/// The problems of all settings. Each one is listed once: a default is checked with each tenant.
struct Problems {
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl Problems {
    fn add(&mut self, checker: Checker<'_>) {
        for (all, added) in [
            (&mut self.errors, checker.errors),
            (&mut self.warnings, checker.warnings),
        ] {
            for text in added {
                if !all.contains(&text) {
                    all.push(text);
                }
            }
        }
    }
}

fn check(mut arguments: Arguments, ssl_cert_file: Option<&Path>) -> Result<Config, String> {
    let mut problems = Problems {
        errors: Vec::new(),
        warnings: arguments.warnings.clone(),
    };
    let mut file = match &arguments.flags.config {
        Some(path) => {
            let source = Source::read(path);
            let source = source.map_err(|e| format!("{}: {e}", arguments.name("config")))?;
            File::parse(source, &mut problems.errors).map_err(|problem| {
                problems.errors.push(problem);
                problems.errors.join("\n")
            })?
        }
        None => File::default(),
    };
    let flags = std::mem::take(&mut arguments.flags.server);
    let mut fields = flags.or(std::mem::take(&mut file.server));
    for (flag, switch) in [
        ("trust-forwarded", &mut fields.trust_forwarded),
        ("log-client-address", &mut fields.log_client_address),
    ] {
        if arguments.is_switched_off(flag) {
            *switch = Some(Setting::flag(false));
        }
    }
    let mut checker = Checker::new(&arguments, &file.source);
    let server = server_check::server(&mut checker, &fields, ssl_cert_file);
    problems.add(checker);

    let random = keys::random_key()?;
    let tenants = match file.tenants.is_empty() {
        true => vec![tenant_from_flags(&arguments, &file, &random, &mut problems)],
        false => tenants_from_file(&arguments, &file, &random, &mut problems),
    };
    let mut checker = Checker::new(&arguments, &file.source);
    let has_proxies = !server.trusted_proxies.is_empty();
    let resolver = match file.tenants.is_empty() {
        true => {
            checker.parse("tenant_by", &fields.tenant_by, |_| {
                Err::<(), _>("has no effect without a [[tenant]]".to_owned())
            });
            ResolverConfig::Single
        }
        false => resolver::resolver(
            &mut checker,
            &fields.tenant_by,
            &file,
            &tenants,
            has_proxies,
        ),
    };
    problems.add(checker);
    match problems.errors.is_empty() {
        true => Ok(Config {
            server,
            tenants,
            resolver,
            warnings: problems.warnings,
        }),
        false => Err(problems.errors.join("\n")),
    }
}

/// The tenant that flags and variables configure.
fn tenant_from_flags(
    arguments: &Arguments,
    file: &File,
    random: &SigningKey,
    problems: &mut Problems,
) -> TenantConfig {
    problems.errors.extend(require_tenant(arguments).err());
    let mut checker = Checker::new(arguments, &file.source);
    let fields = &arguments.flags.tenant;
    let tenant = tenant(&mut checker, fields, Config::FLAGS_KEY, random);
    problems.add(checker);
    tenant
}

/// Requires that the tenant is named: a mistyped `--upstream` must not serve the sandbox in
/// production.
fn require_tenant(arguments: &Arguments) -> Result<(), String> {
    if arguments.has("upstream") {
        if arguments.has("api-token") || arguments.has("api-token-file") {
            return Ok(());
        }
        let problem = "needs the tenant's API token: --api-token or OMNEO_ID_API_TOKEN";
        return Err(format!("{} {problem}", arguments.name("upstream")));
    }
    if arguments.has("sandbox") {
        return Ok(());
    }
    if let Some(flag) = TENANT_FLAGS.iter().find(|flag| arguments.has(flag)) {
        return Err(format!(
            "{} is given without a tenant: add --upstream or OMNEO_ID_UPSTREAM, \
             or --sandbox for the embedded tenant",
            arguments.name(flag)
        ));
    }
    match &arguments.flags.config {
        Some(path) => Err(format!(
            "{} has no [[tenant]]: add one, or give --upstream or --sandbox",
            path.display()
        )),
        None => Ok(()),
    }
}

/// The tenants of the file.
fn tenants_from_file(
    arguments: &Arguments,
    file: &File,
    random: &SigningKey,
    problems: &mut Problems,
) -> Vec<TenantConfig> {
    for flag in flag_names::<TenantFields>() {
        if arguments.has(&flag) {
            problems.errors.push(format!(
                "{} configures a tenant, but the tenants are in {}",
                arguments.name(&flag),
                file.source.path()
            ));
        }
    }
    let mut unique = Unique::default();
    let mut tenants = Vec::new();
    for (fields, offset) in file.tenants.iter().zip(&file.offsets) {
        let mut checker = Checker::new(arguments, &file.source);
        let key = checker.parse("key", &fields.key, |key| values::tenant_key(key));
        let position = file.source.position(*offset);
        if fields.key.is_none() {
            let problem = format!("{position}: a [[tenant]] needs a key");
            checker.errors.push(problem);
        }
        let is_sandbox = fields.sandbox.as_ref().is_some_and(|sandbox| sandbox.value);
        let has_token = fields.api_token.is_some() || fields.api_token_file.is_some();
        let missing = match (&fields.upstream, is_sandbox) {
            (Some(_), true) => Some("has upstream and sandbox, which exclude each other"),
            (None, false) => Some("needs upstream, or sandbox = true for the embedded tenant"),
            (Some(_), false) if !has_token => Some("needs api_token or api_token_file"),
            _ => None,
        };
        if let Some(problem) = missing {
            checker
                .errors
                .push(format!("{position}: the tenant {problem}"));
        }
        let key = key.unwrap_or_default();
        if key == Config::FLAGS_KEY {
            let problem = "is reserved for the tenant of flags";
            let problem = format!("{position}: the key {key:?} {problem}");
            checker.errors.push(problem);
        }
        if is_sandbox && file.tenants.len() > 1 {
            let problem = "the embedded sandbox must be the only [[tenant]]";
            checker.errors.push(format!("{position}: {problem}"));
        }
        let tenant = tenant(&mut checker, fields, &key, random);
        unique.check(&mut checker, &tenant, &position);
        problems.add(checker);
        tenants.push(tenant);
    }
    tenants
}

/// The values that only one tenant can have, with the positions of their tenants.
#[derive(Default)]
struct Unique(BTreeMap<(&'static str, String), String>);

impl Unique {
    /// Reports values that an earlier tenant has.
    fn check(&mut self, checker: &mut Checker<'_>, tenant: &TenantConfig, position: &str) {
        let mut is_duplicate = false;
        let key = [("key", &tenant.key)].into_iter();
        let hosts = tenant.hosts.iter().map(|host| ("host", host));
        let audience = tenant.audience.iter().map(|text| ("audience", text));
        for (name, value) in key.chain(hosts).chain(audience) {
            if value.is_empty() || name == "audience" && is_duplicate {
                continue;
            }
            let entry = self.0.insert((name, value.clone()), position.to_owned());
            if let Some(other) = entry {
                // The audience of a tenant with the same key is often the key, by default. One
                // report is enough.
                is_duplicate |= name == "key";
                checker.errors.push(format!(
                    "{position}: the {name} {value:?} is also that of the tenant at {other}"
                ));
            }
        }
    }
}
