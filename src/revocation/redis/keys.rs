use crate::error::{ConfigError, ConfigErrorKind};

/// The names in Redis, all with the prefix of one tenant.
///
/// One sorted set contains the revocations. With a key per revocation, a full read would have to
/// `SCAN` all keys of the server, those of other applications included.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) prefix: Box<str>,
    /// A sorted set: members are revocations as text, scores their expiry.
    pub(super) revocations: Box<str>,
    /// A stream of the latest revocations, for readers that have read the earlier ones.
    pub(super) log: Box<str>,
    /// A channel on which each revocation is published.
    pub(super) channel: Box<str>,
}

impl Keys {
    pub(super) fn for_tenant(tenant: &str) -> Result<Self, ConfigError> {
        check(tenant)?;
        Self::new(&format!("omneo-id:{tenant}"))
    }

    pub(super) fn new(prefix: &str) -> Result<Self, ConfigError> {
        check(prefix)?;
        Ok(Self {
            prefix: prefix.into(),
            revocations: format!("{prefix}:revocations").into(),
            log: format!("{prefix}:revocations:log").into(),
            channel: format!("{prefix}:revocations:new").into(),
        })
    }
}

fn check(name: &str) -> Result<(), ConfigError> {
    match name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        true => Err(ConfigError::new(
            ConfigErrorKind::InvalidValue,
            "a tenant or prefix in Redis is not empty and has no white space",
        )),
        false => Ok(()),
    }
}
