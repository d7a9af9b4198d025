use super::TenantResolver;
use crate::tenant::TenantKey;
use crate::tenants::RequestHead;

/// A resolver for a process with one tenant: every request belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneTenant(TenantKey);

impl OneTenant {
    /// All requests belong to the tenant with this key.
    pub fn new(key: TenantKey) -> Self {
        Self(key)
    }
}

/// The tenant of [`TenantSet::single`](crate::tenants::TenantSet::single).
impl Default for OneTenant {
    fn default() -> Self {
        Self(TenantKey::DEFAULT)
    }
}

impl TenantResolver for OneTenant {
    fn resolve(&self, _: RequestHead<'_>) -> Option<TenantKey> {
        Some(self.0)
    }
}
