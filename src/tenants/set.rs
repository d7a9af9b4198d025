use std::collections::HashMap;
use std::fmt;

use crate::error::{ConfigError, ConfigErrorKind};
use crate::facade::{MemberSettings, OmneoId, OmneoIdBuilder};
use crate::tenant::TenantKey;

/// The tenants of a process: an [`OmneoId`] for each key.
///
/// A set is a value: [`OmneoIdTenants::replace`](crate::OmneoIdTenants::replace) puts a changed one
/// into use. Start from a clone of the current set, so that unchanged tenants keep their caches,
/// ended sessions and counts of calls in flight. A clone shares the tenants.
///
/// Each tenant's tokens carry and require an audience, so a token of one tenant is invalid for all
/// others even if both have the same signing key.
///
/// ```
/// use omneo_id::error::ConfigError;
/// use omneo_id::tenants::TenantSet;
/// use omneo_id::{OmneoId, SigningKey};
///
/// # fn main() -> Result<(), omneo_id::error::BoxError> {
/// let shop = |name: &str| {
///     Ok::<_, ConfigError>(
///         OmneoId::builder()
///             .upstream(&format!("https://api.{name}.getomneo.com"))?
///             .api_token("secret")
///             .signing_key(SigningKey::hs256("0123456789abcdef0123456789abcdef")?),
///     )
/// };
/// let mut set = TenantSet::new();
/// set.insert("acme".parse()?, shop("acme")?)?;
/// set.insert("brand".parse()?, shop("brand")?)?;
/// assert_eq!(set.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct TenantSet {
    tenants: HashMap<TenantKey, OmneoId<()>>,
    mounts: Mounts,
    is_single: bool,
}

/// Where the tenants of a set are mounted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mounts {
    /// Each below the mount of its builder.
    #[default]
    AsConfigured,
    /// Each below its key and the mount of its builder.
    BelowKey,
}

impl TenantSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A set of one tenant, with the key [`TenantKey::DEFAULT`] and without an audience of the
    /// set's own: the tokens of a single [`OmneoId`] stay valid. The set accepts no other tenant;
    /// an [`insert`](Self::insert) of the same key changes the tenant.
    ///
    /// # Errors
    /// If the builder is incomplete, or a value is invalid.
    pub fn single(builder: OmneoIdBuilder) -> Result<Self, ConfigError> {
        let mut set = Self {
            is_single: true,
            ..Self::default()
        };
        set.insert(TenantKey::DEFAULT, builder)?;
        Ok(set)
    }

    /// Mounts each tenant that is inserted later below its key: with the mount `/id/api/v1`, the
    /// tenant `acme` serves `/acme/id/api/v1`. Use it with
    /// [`TenantByPath`](super::TenantByPath).
    ///
    /// Default is the mount of each builder.
    #[must_use]
    pub fn mount_below_key(mut self) -> Self {
        self.mounts = Mounts::BelowKey;
        self
    }

    /// Inserts a tenant, or changes the tenant with this key.
    ///
    /// The audience is the key, unless the builder has one. A changed tenant continues with its
    /// sign-ups and calls in flight, and with its ended sessions unless the builder has a set of
    /// [`Revocations`](crate::Revocations) of its own. Its caches start empty.
    ///
    /// # Errors
    /// If the builder is incomplete, a value is invalid, or another tenant of the set has the same
    /// audience or the same set of ended sessions. The set is then unchanged.
    pub fn insert(&mut self, key: TenantKey, builder: OmneoIdBuilder) -> Result<(), ConfigError> {
        self.update([(key, Some(builder))])
    }

    /// Changes several tenants at once: with a builder, the tenant is [inserted or
    /// changed](Self::insert); with `None`, it is [removed](Self::remove). The order has no effect,
    /// except that the last change of a key replaces the others.
    ///
    /// Only the resulting tenants must differ in audience and ended sessions. An audience can move
    /// from one tenant to another, which several calls of `insert` would reject.
    ///
    /// ```
    /// use omneo_id::error::ConfigError;
    /// use omneo_id::tenants::TenantSet;
    /// use omneo_id::OmneoIdBuilder;
    ///
    /// /// The tenant `old` gets the key `new`. Its tokens stay valid, and ended sessions ended.
    /// fn rename(set: &mut TenantSet, builder: OmneoIdBuilder) -> Result<(), ConfigError> {
    ///     let (Ok(old), Ok(new)) = ("old".parse(), "new".parse()) else { return Ok(()) };
    ///     let revocations = set.get(old).map(|tenant| tenant.revocations().clone());
    ///     let builder = builder
    ///         .audience("old")
    ///         .revocations(revocations.unwrap_or_default());
    ///     set.update([(old, None), (new, Some(builder))])
    /// }
    /// ```
    ///
    /// # Errors
    /// If a builder is incomplete, a value is invalid, or two of the resulting tenants have the
    /// same audience or the same set of ended sessions. The set is then unchanged.
    pub fn update(
        &mut self,
        changes: impl IntoIterator<Item = (TenantKey, Option<OmneoIdBuilder>)>,
    ) -> Result<(), ConfigError> {
        let mut changed = HashMap::new();
        for (key, builder) in changes {
            let tenant = builder.map(|builder| self.build(key, builder));
            changed.insert(key, tenant.transpose()?);
        }
        let built = || {
            let changed = changed.iter();
            changed.filter_map(|(key, tenant)| Some((*key, tenant.as_ref()?)))
        };
        for tenant in built() {
            let unchanged = self.iter().filter(|(key, _)| !changed.contains_key(key));
            for other in unchanged.chain(built()) {
                check_isolated(tenant, other)?;
            }
        }
        for (key, tenant) in changed {
            match tenant {
                Some(tenant) => self.tenants.insert(key, tenant),
                None => self.tenants.remove(&key),
            };
        }
        Ok(())
    }

    /// Builds a tenant, which continues with the state of the present one.
    fn build(&self, key: TenantKey, builder: OmneoIdBuilder) -> Result<OmneoId<()>, ConfigError> {
        if self.is_single && key != TenantKey::DEFAULT {
            return Err(conflict(format!(
                "the tenant {key} cannot be added to a set of a single tenant"
            )));
        }
        builder.build_member(MemberSettings {
            audience: (!self.is_single).then_some(key.as_str()),
            mount_below: self.mounts.below(key),
            replaced: self.get(key),
            revocations: None,
        })
    }

    /// Removes a tenant, with its ended sessions. Returns whether the set had it.
    ///
    /// A later [`insert`](Self::insert) of the key starts with an empty set of ended sessions, so
    /// tokens that were ended and have not expired are valid again. To prevent this, keep the
    /// tenant's [`revocations`](OmneoId::revocations) for the lifetime of a token, and give them to
    /// the [builder](OmneoIdBuilder::revocations).
    pub fn remove(&mut self, key: TenantKey) -> bool {
        self.tenants.remove(&key).is_some()
    }

    /// The tenant with this key. It has no client; its keys, statistics and ended sessions are
    /// those that requests use.
    pub fn get(&self, key: TenantKey) -> Option<&OmneoId<()>> {
        self.tenants.get(&key)
    }

    /// The tenants, in any order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (TenantKey, &OmneoId<()>)> {
        self.tenants.iter().map(|(key, tenant)| (*key, tenant))
    }

    /// The number of tenants.
    pub fn len(&self) -> usize {
        self.tenants.len()
    }

    /// Whether the set has no tenant.
    pub fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }

    /// A set of tenants that are built already.
    pub(super) fn from_built(tenants: impl Iterator<Item = (TenantKey, OmneoId<()>)>) -> Self {
        Self {
            tenants: tenants.collect(),
            ..Self::default()
        }
    }
}

impl Mounts {
    pub(super) fn below(self, key: TenantKey) -> Option<TenantKey> {
        (self == Self::BelowKey).then_some(key)
    }
}

/// Checks that two tenants share nothing that would let tokens of one have an effect at the other.
pub(super) fn check_isolated(
    (key, tenant): (TenantKey, &OmneoId<()>),
    (other_key, other): (TenantKey, &OmneoId<()>),
) -> Result<(), ConfigError> {
    let shared = if key == other_key {
        return Ok(());
    } else if tenant.audience() == other.audience() {
        "audience"
    } else if tenant.revocations().is_same_set(other.revocations()) {
        "set of ended sessions"
    } else {
        return Ok(());
    };
    let message = format!("the tenants {other_key} and {key} have the same {shared}");
    Err(conflict(message))
}

pub(super) fn conflict(message: String) -> ConfigError {
    ConfigError::new(ConfigErrorKind::TenantConflict, message)
}

impl fmt::Debug for TenantSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut keys: Vec<&TenantKey> = self.tenants.keys().collect();
        keys.sort();
        f.debug_tuple("TenantSet").field(&keys).finish()
    }
}
