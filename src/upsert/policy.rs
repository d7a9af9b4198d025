use std::collections::BTreeSet;
#[cfg(feature = "client")]
use std::time::Duration;

use super::comms;
use crate::error::{ConfigError, ConfigErrorKind};
use crate::read::ReadTimeout;

/// What the upsert reads, what it recognises as consent, and how much its answers may tell.
///
/// ```
/// use omneo_id::upsert::CommsPolicy;
///
/// let policy = CommsPolicy::new()
///     .with_body_limit(16 * 1024)
///     .add_field("whatsapp_promo")?;
/// assert!(policy.recognises("email_optout"));
/// assert!(policy.recognises("whatsapp_promo"));
/// assert!(CommsPolicy::new().add_field("email_bounced").is_err());
/// # Ok::<(), omneo_id::error::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct CommsPolicy {
    body_limit: usize,
    read_timeout: ReadTimeout,
    fields: BTreeSet<String>,
    defaults_on_update: bool,
    conceals: bool,
    #[cfg(feature = "client")]
    latency: Option<Duration>,
}

/// The longest quantum of a uniform latency.
#[cfg(feature = "client")]
const MAX_LATENCY: Duration = Duration::from_secs(60);

impl CommsPolicy {
    /// The policy with every default.
    pub fn new() -> Self {
        Self {
            body_limit: 64 * 1024,
            read_timeout: ReadTimeout::default(),
            fields: comms::documented().collect(),
            defaults_on_update: false,
            conceals: false,
            #[cfg(feature = "client")]
            latency: None,
        }
    }

    /// Replaces the length, in bytes, over which a body is refused with 413.
    ///
    /// Default is 64 KiB.
    #[must_use]
    pub fn with_body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sets how long a client may take to send its body, in total (408 after that).
    /// [`Duration::MAX`] is for ever. It needs the time driver of a tokio runtime.
    ///
    /// Default is no limit; [`OmneoId`](crate::OmneoId) sets 30 seconds.
    #[cfg(feature = "client")]
    #[cfg_attr(docsrs, doc(cfg(feature = "client")))]
    #[must_use]
    pub fn with_read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = ReadTimeout::new(timeout);
        self
    }

    /// Replaces the fields of `attributes.comms` that are recognised: those that are checked here,
    /// and that may change on a profile which exists.
    ///
    /// A field that the service does not document holds a boolean.
    ///
    /// Default is the documented consent: for `email`, `push`, `sms`, `phone` and `post` each of
    /// `_optout`, `_promo`, `_discover`, `_benefits`, `_reminders`, `_account`, `_bookings`,
    /// `_feedback`, `_location`, `_service`; `email_consent_updated_at`, `sms_consent_updated_at`,
    /// `terms_accepted_at`, `terms_accepted_version`.
    ///
    /// # Errors
    /// As [`add_field`](Self::add_field).
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

    /// Recognises one more field of `attributes.comms`, a boolean.
    ///
    /// Default is the list at [`with_fields`](Self::with_fields).
    ///
    /// # Errors
    /// If the name is empty or reserved: `profile_id`, `created_at`, `updated_at`, `…_bounced`,
    /// `…_verification`, `__proto__`, in any letter case, and any name that the tenant's framework
    /// may read as a path or a wildcard (with a dot, a bracket, `->` or `*`).
    pub fn add_field(mut self, name: impl Into<String>) -> Result<Self, ConfigError> {
        let name = name.into();
        if name.is_empty() || comms::is_reserved(&name) {
            return Err(ConfigError::new(
                ConfigErrorKind::InvalidValue,
                format!("{name:?} is no consent field that could be set from outside"),
            ));
        }
        self.fields.insert(name);
        Ok(self)
    }

    /// Applies the defaults of a creation (`email_promo` true, `email_optout` false) to updates as
    /// well, for what the payload does not answer.
    ///
    /// This records a consent that was not given in this request: a person who had opted out, and
    /// signs up again without an answer to it, is opted in.
    ///
    /// Default is to change nothing that was not asked for.
    #[must_use]
    pub fn with_defaults_on_update(mut self) -> Self {
        self.defaults_on_update = true;
        self
    }

    /// Answers 200 where the tenant refuses the payload by a rule that only the tenant knows, and
    /// where its data of the person cannot be used, and leaves an event in the log.
    ///
    /// The sign-up is lost then, and only the log says so. In exchange, such an answer no longer
    /// tells a customer from another person: the tenant's rules apply to creations, and customers
    /// are not created; and only a customer has data. Such data are two profiles with the same
    /// address, an id that cannot be part of a path, an address that only the tenant takes for a
    /// customer's, a profile that is listed and cannot be updated. Without concealment they are a
    /// 502.
    ///
    /// Default is to relay the tenant's 422, so that people can correct what they typed.
    #[must_use]
    pub fn conceal_tenant_validation(mut self) -> Self {
        self.conceals = true;
        self
    }

    /// Releases every answer at a multiple of `quantum` after the request has arrived in full.
    ///
    /// With a quantum longer than the tenant takes for the longest sign-up, about five calls, time
    /// tells nothing, however many sign-ups of one address come at the same time. Waiting costs a
    /// timer and no thread. It needs the time driver of a tokio runtime.
    ///
    /// Default is to answer as soon as there is an answer.
    ///
    /// # Errors
    /// If the quantum is zero or over a minute.
    #[cfg(feature = "client")]
    #[cfg_attr(docsrs, doc(cfg(feature = "client")))]
    pub fn with_uniform_latency(mut self, quantum: Duration) -> Result<Self, ConfigError> {
        if quantum.is_zero() || quantum > MAX_LATENCY {
            return Err(ConfigError::new(
                ConfigErrorKind::InvalidDuration,
                "a uniform latency is more than nothing and at most a minute",
            ));
        }
        self.latency = Some(quantum);
        Ok(self)
    }

    /// Whether a field of `attributes.comms` is checked here and may change on a profile that
    /// exists.
    pub fn recognises(&self, field: &str) -> bool {
        self.fields.contains(field)
    }

    pub(super) fn body_limit(&self) -> usize {
        self.body_limit
    }

    pub(super) fn read_timeout(&self) -> ReadTimeout {
        self.read_timeout
    }

    /// With this read timeout, unless there is one.
    #[cfg(feature = "client")]
    #[must_use]
    pub(crate) fn or_read_timeout(mut self, default: Duration) -> Self {
        self.read_timeout = self.read_timeout.or(default);
        self
    }

    pub(super) fn defaults_on_update(&self) -> bool {
        self.defaults_on_update
    }

    pub(super) fn conceals(&self) -> bool {
        self.conceals
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
