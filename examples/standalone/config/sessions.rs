//! Sessions: where ended ones are stored, how long they are refreshed, and the webhooks that end
//! them.

use std::fmt;
use std::time::Duration;

use omneo_id::error::ConfigError;
use omneo_id::revocation::{self, RedisStore};
use omneo_id::{Revocations, Tenant, WebhookEndpoint};

use super::arguments::Arguments;
use super::{secrets, values};

/// The age until which sessions of the sandbox are refreshed, so that a demonstration needs no
/// flag.
const SANDBOX_REFRESH: Duration = Duration::from_secs(12 * 60 * 60);

/// The settings of sessions.
pub(crate) struct Sessions {
    pub(crate) store: Store,
    /// The ended sessions, for all worker threads.
    pub(crate) revocations: Revocations,
    pub(crate) on_outage: OnOutage,
    /// `None` if sessions are not refreshed.
    pub(crate) refresh: Option<Refresh>,
    /// `None` if webhooks are not served.
    pub(crate) webhook: Option<WebhookEndpoint>,
}

/// Where ended sessions are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    /// In this process.
    Memory,
    /// In a Redis server, for all processes.
    Redis,
}

impl Store {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
        }
    }

    /// Where a token is ended after the 204.
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

pub(super) fn sessions(
    arguments: &Arguments,
    tenant: &Tenant,
    token_ttl: Duration,
    warnings: &mut Vec<String>,
) -> Result<Sessions, String> {
    let redis = redis(arguments, tenant, warnings)?;
    let on_outage = on_outage(arguments, redis.is_some(), warnings)?;
    let (store, revocations) = match redis {
        None => (Store::Memory, Revocations::new()),
        Some(redis) => {
            let revocations = Revocations::new().with_store(redis);
            (Store::Redis, revocations.with_on_outage(on_outage.into()))
        }
    };
    Ok(Sessions {
        store,
        revocations,
        on_outage,
        refresh: refresh(arguments, token_ttl, warnings)?,
        webhook: webhook(arguments)?,
    })
}

/// The Redis server, if one is set. The processes of one tenant share its keys.
fn redis(
    arguments: &Arguments,
    tenant: &Tenant,
    warnings: &mut Vec<String>,
) -> Result<Option<RedisStore>, String> {
    let (flag, url) = match &arguments.flags.revocations_file {
        Some(file) => {
            let url = secrets::text(file).map_err(arguments.invalid_file("revocations-file"))?;
            ("revocations-file", url)
        }
        None => match arguments.flags.revocations.as_deref() {
            None => return Ok(None),
            Some(url) => ("revocations", url.to_owned()),
        },
    };
    if url == "memory" {
        return Ok(None);
    }
    // No message contains the value, which may have a password.
    if !url.starts_with("redis://") && !url.starts_with("rediss://") {
        let problem = "is neither memory nor a redis:// or rediss:// URL";
        return Err(arguments.invalid(flag)(problem.to_owned()));
    }
    if flag == "revocations" && arguments.is_typed(flag) && url.contains('@') {
        warnings.push(
            "--revocations has a password, which the process list shows: set \
             OMNEO_ID_REVOCATIONS or --revocations-file instead"
                .to_owned(),
        );
    }
    let store = RedisStore::new(&url, tenant.authority().as_str())
        .map_err(|error| format!("{}: {error}", arguments.name(flag)))?;
    Ok(Some(store))
}

fn on_outage(
    arguments: &Arguments,
    has_store: bool,
    warnings: &mut Vec<String>,
) -> Result<OnOutage, String> {
    let flag = "revocations-on-outage";
    let Some(text) = &arguments.flags.revocations_on_outage else {
        return Ok(OnOutage::Serve);
    };
    let on_outage = parse_on_outage(text).map_err(arguments.invalid(flag))?;
    if !has_store {
        let name = arguments.name(flag);
        warnings.push(format!("{name} has no effect without a Redis server"));
    }
    Ok(on_outage)
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

fn refresh(
    arguments: &Arguments,
    token_ttl: Duration,
    warnings: &mut Vec<String>,
) -> Result<Option<Refresh>, String> {
    let flags = &arguments.flags;
    let rotate = flags.refresh_rotate;
    let invalid = || arguments.invalid("refresh");
    let max_age = match flags.refresh.as_deref() {
        Some("off") => None,
        Some(text) => Some(values::whole_seconds(text).map_err(invalid())?),
        None if flags.upstream.is_none() => Some(SANDBOX_REFRESH),
        None => None,
    };
    match max_age {
        None if rotate => warnings.push(format!(
            "{} has no effect without --refresh",
            arguments.name("refresh-rotate")
        )),
        Some(max_age) if max_age <= token_ttl && arguments.has("refresh") => {
            warnings.push(format!(
                "{} is not longer than the lifetime of a token: \
                 a refresh does not prolong sessions",
                arguments.name("refresh")
            ));
        }
        _ => {}
    }
    let refresh = max_age.map(|max_age| Refresh { max_age, rotate });
    if let Some(Err(error)) = refresh.map(Refresh::policy) {
        return Err(invalid()(format!("is invalid: {error}")));
    }
    Ok(refresh)
}

/// The endpoint of the tenant's webhooks, if there is a secret. Each secret is accepted.
fn webhook(arguments: &Arguments) -> Result<Option<WebhookEndpoint>, String> {
    let Some((flag, secrets)) = secrets::webhook(arguments)? else {
        return Ok(None);
    };
    let mut webhook = None;
    for secret in secrets {
        let added = match webhook {
            None => WebhookEndpoint::new(secret),
            Some(webhook) => WebhookEndpoint::add_secret(webhook, secret),
        };
        webhook = Some(added.map_err(|error| format!("{}: {error}", arguments.name(flag)))?);
    }
    Ok(webhook)
}
