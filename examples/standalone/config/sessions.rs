//! Sessions: where ended ones are stored, and how long they are refreshed.

use std::fmt;
use std::time::Duration;

use omneo_id::error::ConfigError;
use omneo_id::revocation::{self, RedisStore};
use omneo_id::{Revocations, Tenant};

use super::checker::Checker;
use super::model::Config;
use super::secrets::Secret;
use super::server::ServerConfig;
use super::server_fields::ServerFields;
use super::tenant::TenantConfig;
use super::values;

/// The ended sessions of a tenant, and the settings that concern them.
pub(crate) struct Sessions {
    pub(crate) store: StoreKind,
    /// The ended sessions, for all worker threads.
    pub(crate) revocations: Revocations,
    pub(crate) on_outage: OnOutage,
    /// `None` if sessions are not refreshed.
    pub(crate) refresh: Option<Refresh>,
    pub(crate) has_webhook: bool,
}

impl Sessions {
    /// The sessions of a tenant, none of which is ended yet.
    ///
    /// # Errors
    /// None for a configuration that has been checked.
    pub(crate) fn new(server: &ServerConfig, tenant: &TenantConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            store: server.revocations.kind(),
            revocations: server.revocations.open(tenant)?,
            on_outage: server.revocations.on_outage,
            refresh: tenant.refresh,
            has_webhook: !tenant.webhook_secrets.is_empty(),
        })
    }
}

/// Where ended sessions are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreConfig {
    /// The URL of a Redis server. `None` for the memory of this process.
    pub(crate) redis: Option<Secret>,
    pub(crate) on_outage: OnOutage,
}

impl StoreConfig {
    pub(crate) fn kind(&self) -> StoreKind {
        match self.redis {
            None => StoreKind::Memory,
            Some(_) => StoreKind::Redis,
        }
    }

    /// The set of ended sessions of a tenant. The processes of one tenant share its keys in Redis.
    ///
    /// # Errors
    /// None for a configuration that has been checked.
    pub(crate) fn open(&self, tenant: &TenantConfig) -> Result<Revocations, ConfigError> {
        let revocations = Revocations::new();
        let Some(url) = &self.redis else {
            return Ok(revocations);
        };
        let store = RedisStore::new(url.expose(), &namespace(tenant)?)?;
        let revocations = revocations.with_store(store);
        Ok(revocations.with_on_outage(self.on_outage.into()))
    }
}

/// The prefix of the tenant's keys in Redis: the authority of its upstream and, if the file
/// configures the tenant, its key.
///
/// # Errors
/// None for a configuration that has been checked.
pub(crate) fn namespace(tenant: &TenantConfig) -> Result<String, ConfigError> {
    let authority = match &tenant.upstream {
        Some(origin) => tenant_at(origin)?.authority().to_string(),
        None => "127.0.0.1".to_owned(),
    };
    Ok(match tenant.key.as_str() {
        Config::FLAGS_KEY => authority,
        key => format!("{authority}/{key}"),
    })
}

fn tenant_at(origin: &str) -> Result<Tenant, ConfigError> {
    Tenant::insecure(origin, omneo_id::ApiToken::new("token")?)
}

/// Where ended sessions are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreKind {
    /// In this process.
    Memory,
    /// In a Redis server, for all processes.
    Redis,
}

impl StoreKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
        }
    }

    /// The processes that reject a token after the 204 to its revocation.
    pub(crate) fn scope(self) -> &'static str {
        match self {
            Self::Memory => "this process only",
            Self::Redis => "all processes with the same store",
        }
    }
}

/// What happens to requests while the store does not respond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnOutage {
    /// They are served with the ended sessions that are known.
    Serve,
    /// They are refused after this time.
    Refuse { after: Duration },
}

impl fmt::Display for OnOutage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serve => f.write_str("serve"),
            Self::Refuse { after } => write!(f, "refuse:{}", humantime::format_duration(*after)),
        }
    }
}

impl From<OnOutage> for revocation::OnOutage {
    fn from(on_outage: OnOutage) -> Self {
        match on_outage {
            OnOutage::Serve => Self::Serve,
            OnOutage::Refuse { after } => Self::Refuse { after },
        }
    }
}

/// How sessions are refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refresh {
    /// The longest age of a session.
    pub(crate) max_age: Duration,
    /// Whether a refresh ends the previous token.
    pub(crate) rotate: bool,
}

impl Refresh {
    pub(crate) fn policy(self) -> Result<omneo_id::token::Refresh, ConfigError> {
        let policy = omneo_id::token::Refresh::new(self.max_age)?;
        Ok(if self.rotate { policy.rotate() } else { policy })
    }

    /// The longest age of a session, such as `12h`.
    pub(crate) fn age(self) -> impl fmt::Display {
        humantime::format_duration(self.max_age)
    }
}

/// Checks the settings of the store.
pub(super) fn store(checker: &mut Checker<'_>, fields: &ServerFields) -> StoreConfig {
    let url = checker.secret(
        "revocations",
        &fields.revocations,
        "revocations_file",
        &fields.revocations_file,
    );
    let redis = url.filter(|url| url.expose() != "memory");
    let redis = redis.filter(|url| is_redis(checker, url.expose()));
    if let (Some(setting), Some(url)) = (&fields.revocations, &redis)
        && setting.offset.is_none()
        && checker.arguments.is_typed("revocations")
        && url.expose().contains('@')
    {
        checker.warnings.push(
            "--revocations has a password, which the process list shows: set \
             OMNEO_ID_REVOCATIONS or --revocations-file instead"
                .to_owned(),
        );
    }
    let text = &fields.revocations_on_outage;
    let on_outage = checker.parse("revocations_on_outage", text, |text| parse_on_outage(text));
    if let (Some(OnOutage::Refuse { .. }), None) = (on_outage, &redis) {
        let name = checker.name("revocations_on_outage");
        let warning = format!("{name} has no effect without a Redis server");
        checker.warnings.push(warning);
    }
    StoreConfig {
        redis,
        on_outage: on_outage.unwrap_or(OnOutage::Serve),
    }
}

/// Whether this is the URL of a Redis server. No message contains it: it may have a password.
fn is_redis(checker: &mut Checker<'_>, url: &str) -> bool {
    if !url.starts_with("redis://") && !url.starts_with("rediss://") {
        let problem = "is neither memory nor a redis:// or rediss:// URL";
        checker.invalid("revocations", problem);
        return false;
    }
    match RedisStore::new(url, "tenant") {
        Ok(_) => true,
        Err(error) => {
            checker.failed("revocations", &error.to_string());
            false
        }
    }
}

fn parse_on_outage(text: &str) -> Result<OnOutage, String> {
    if text == "serve" {
        return Ok(OnOutage::Serve);
    }
    let Some(after) = text.strip_prefix("refuse:") else {
        return Err(format!("{text:?} is neither serve nor like refuse:60s"));
    };
    let after = values::whole_seconds(after)?;
    if after <= Revocations::DEFAULT_SYNC_INTERVAL {
        let interval = humantime::format_duration(Revocations::DEFAULT_SYNC_INTERVAL);
        return Err(format!(
            "{text:?} must be longer than {interval}, the interval at which the store is read"
        ));
    }
    Ok(OnOutage::Refuse { after })
}
