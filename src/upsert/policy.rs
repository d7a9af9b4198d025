use std::collections::BTreeSet;
#[cfg(feature = "client")]
use std::time::Duration;

use super::comms;
use crate::error::{ConfigError, ConfigErrorKind};
use crate::read::ReadTimeout;

/// Configures [`CommsUpsert`](super::CommsUpsert): limits, the recognized consent fields, and how
/// much a response may reveal.
///
/// ```
/// use omneo_id::upsert::CommsPolicy;
///
/// let policy = CommsPolicy::new()
///     .with_body_limit(16 * 1024)
///     .add_field("whatsapp_promo")?;
/// assert!(policy.recognizes("email_optout"));
/// assert!(policy.recognizes("whatsapp_promo"));
/// assert!(CommsPolicy::new().add_field("email_bounced").is_err());
/// # Ok::<(), omneo_id::error::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct CommsPolicy {
    body_limit: usize,
    read_timeout: ReadTimeout,
    fields: BTreeSet<String>,
    defaults_on_update: bool,
    conceals_tenant_validation: bool,
    #[cfg(feature = "client")]
    latency: Option<Duration>,
}

/// The longest quantum of a uniform latency: browsers and proxies commonly time out after a minute.
#[cfg(feature = "client")]
const MAX_LATENCY: Duration = Duration::from_secs(60);

impl CommsPolicy {
    /// Creates a policy with the default of every setting.
    pub fn new() -> Self {
        Self {
            body_limit: 64 * 1024,
            read_timeout: ReadTimeout::default(),
            fields: comms::documented_fields().collect(),
            defaults_on_update: false,
            conceals_tenant_validation: false,
            #[cfg(feature = "client")]
            latency: None,
        }
    }

    /// Sets the maximum length of a request body in bytes. A longer body is rejected with 413.
    ///
    /// Default is 64 KiB.
    #[must_use]
    pub fn with_body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sets the total time in which a client must send its body. A slower body is rejected with
    /// 408. [`Duration::MAX`] disables the timeout. It needs the time driver of a tokio
    /// runtime.
    ///
    /// Default is an unlimited time; [`OmneoId`](crate::OmneoId) sets 30 seconds.
    #[cfg(feature = "client")]
    #[cfg_attr(docsrs, doc(cfg(feature = "client")))]
    #[must_use]
    pub fn with_read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = ReadTimeout::new(timeout);
        self
    }

    /// Sets the recognized fields of `attributes.comms`. Only these are validated, and only these
    /// may change in an existing profile. A field that the service does not document is a
    /// boolean.
    ///
    /// Default is the documented consent fields: for `email`, `push`, `sms`, `phone` and `post`
    /// each of `_optout`, `_promo`, `_discover`, `_benefits`, `_reminders`, `_account`,
    /// `_bookings`, `_feedback`, `_location`, `_service`; `email_consent_updated_at`,
    /// `sms_consent_updated_at`, `terms_accepted_at`, `terms_accepted_version`.
    ///
    /// # Errors
    /// The same as [`add_field`](Self::add_field).
    pub fn with_fields<I>(mut self, names: I) -> Result<Self, ConfigError>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.fields.clear();
        names
            .into_iter()
            .try_fold(self, |policy, name| policy.add_field(name))
    }

    /// Adds a recognized field of `attributes.comms`, a boolean.
    ///
    /// Default is the list at [`with_fields`](Self::with_fields).
    ///
    /// # Errors
    /// If the name is empty or reserved. Reserved in any letter case are `profile_id`,
    /// `created_at`, `updated_at`, `…_bounced`, `…_verification` and `__proto__`; and every
    /// name that the tenant's framework may interpret as a path or a wildcard (with a dot, a
    /// bracket, `->` or `*`).
    pub fn add_field(mut self, name: impl Into<String>) -> Result<Self, ConfigError> {
        let name = name.into();
        if name.is_empty() || comms::is_reserved(&name) {
            return Err(ConfigError::new(
                ConfigErrorKind::InvalidValue,
                format!("{name:?} is reserved, or empty, and cannot be a consent field"),
            ));
        }
        self.fields.insert(name);
        Ok(self)
    }

    /// Applies the defaults of a creation (`email_promo` true, `email_optout` false) to updates as
    /// well, where the payload has no value.
    ///
    /// This records consent that the request does not contain: a person who has opted out and signs
    /// up again without these fields is opted in.
    ///
    /// Default is to update only the fields that have a value in the payload.
    #[must_use]
    pub fn with_defaults_on_update(mut self) -> Self {
        self.defaults_on_update = true;
        self
    }

    /// Responds with 200 instead of an error if the tenant rejects the payload by one of its own
    /// rules, or if its data of the person is ambiguous. The error is logged.
    ///
    /// Such a sign-up is lost, and only the log records it. In return, these responses no longer
    /// distinguish a customer from another person. The tenant validates only creations, so its
    /// rules never apply to a customer; and only a customer has ambiguous data, such as:
    ///
    /// - two profiles with the same address,
    /// - an id that is not a valid path segment,
    /// - an address that equals a customer's only in the tenant's collation,
    /// - a profile that is listed but cannot be updated.
    ///
    /// Default is to relay the tenant's 422, so that people can correct their input, and to respond
    /// with 502 to ambiguous data.
    #[must_use]
    pub fn conceal_tenant_validation(mut self) -> Self {
        self.conceals_tenant_validation = true;
        self
    }

    /// Delays every response to a multiple of `quantum` after the last byte of the request.
    ///
    /// If the quantum is longer than the longest sign-up, about five tenant calls, the response
    /// time does not reveal whether the person is a customer. This holds for any number of
    /// concurrent sign-ups of one address. A delayed response costs a timer but no thread. It
    /// needs the time driver of a tokio runtime.
    ///
    /// Default is to respond without delay.
    ///
    /// # Errors
    /// If the quantum is zero or longer than a minute.
    #[cfg(feature = "client")]
    #[cfg_attr(docsrs, doc(cfg(feature = "client")))]
    pub fn with_uniform_latency(mut self, quantum: Duration) -> Result<Self, ConfigError> {
        if quantum.is_zero() || quantum > MAX_LATENCY {
            return Err(ConfigError::new(
                ConfigErrorKind::InvalidDuration,
                "a uniform latency must be greater than zero and at most a minute",
            ));
        }
        self.latency = Some(quantum);
        Ok(self)
    }

    /// Whether a field of `attributes.comms` is validated, and may change in an existing profile.
    pub fn recognizes(&self, field: &str) -> bool {
        self.fields.contains(field)
    }

    pub(super) fn body_limit(&self) -> usize {
        self.body_limit
    }

    pub(super) fn read_timeout(&self) -> ReadTimeout {
        self.read_timeout
    }

    /// Sets the read timeout if it is not set yet.
    #[cfg(feature = "client")]
    #[must_use]
    pub(crate) fn or_read_timeout(mut self, default: Duration) -> Self {
        self.read_timeout = self.read_timeout.with_default(default);
        self
    }

    pub(super) fn defaults_on_update(&self) -> bool {
        self.defaults_on_update
    }

    pub(super) fn conceals_tenant_validation(&self) -> bool {
        self.conceals_tenant_validation
    }

    #[cfg(feature = "client")]
    pub(super) fn latency(&self) -> Option<Duration> {
        self.latency
    }
}

impl Default for CommsPolicy {
    fn default() -> Self {
        Self::new()
    }
}
