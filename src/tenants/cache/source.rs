use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::error::BoxError;
use crate::facade::OmneoIdBuilder;
use crate::tenant::TenantKey;

/// Loads tenants by key, from a database for example.
///
/// [`TenantCache`](super::TenantCache) calls it: once for concurrent requests of one tenant, and
/// again at intervals.
///
/// Closures are sources:
///
/// ```
/// use omneo_id::error::BoxError;
/// use omneo_id::tenants::{LoadedTenant, TenantCache, TenantKey};
/// use omneo_id::{OmneoId, SigningKey};
///
/// # struct Row { api_token: String, secret: String, updated_at: u64 }
/// # async fn select(_: &str) -> Result<Option<Row>, BoxError> { Ok(None) }
/// async fn load(key: TenantKey) -> Result<Option<LoadedTenant>, BoxError> {
///     let Some(row) = select(key.as_str()).await? else {
///         return Ok(None);
///     };
///     let builder = OmneoId::builder()
///         .upstream(&format!("https://api.{key}.getomneo.com"))?
///         .api_token(row.api_token)
///         .signing_key(SigningKey::hs256(row.secret)?);
///     Ok(Some(LoadedTenant::new(builder, row.updated_at.to_string())))
/// }
///
/// let tenants = TenantCache::new(load);
/// ```
pub trait TenantSource: Send + Sync + 'static {
    /// Loads the tenant with this key; `None` if it does not exist.
    ///
    /// The key comes from a client. The error is logged, so it must not contain a secret.
    ///
    /// # Errors
    /// If the source is not available. A tenant that is loaded already stays in use.
    fn load(
        &self,
        key: TenantKey,
    ) -> impl Future<Output = Result<Option<LoadedTenant>, BoxError>> + Send;
}

impl<F, O> TenantSource for F
where
    F: Fn(TenantKey) -> O + Send + Sync + 'static,
    O: Future<Output = Result<Option<LoadedTenant>, BoxError>> + Send,
{
    fn load(
        &self,
        key: TenantKey,
    ) -> impl Future<Output = Result<Option<LoadedTenant>, BoxError>> + Send {
        self(key)
    }
}

/// The settings of a tenant, and their version.
pub struct LoadedTenant {
    pub(super) builder: OmneoIdBuilder,
    pub(super) version: Box<str>,
}

impl LoadedTenant {
    /// The settings, and a text that changes with them: the time of the last change, or a hash. If
    /// the version at a refresh equals the one in use, the tenant stays as it is, with its caches.
    ///
    /// The audience is the tenant's key; a builder with another audience is an error.
    pub fn new(builder: OmneoIdBuilder, version: impl Into<Box<str>>) -> Self {
        Self {
            builder,
            version: version.into(),
        }
    }
}

impl fmt::Debug for LoadedTenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadedTenant")
            .field("builder", &self.builder)
            .field("version", &self.version)
            .finish()
    }
}

/// The future of a load. Loads are rare.
type Load<'a> = Pin<Box<dyn Future<Output = Result<Option<LoadedTenant>, BoxError>> + Send + 'a>>;

/// A [`TenantSource`] of any type.
pub(super) trait DynSource: Send + Sync {
    fn load(&self, key: TenantKey) -> Load<'_>;
}

impl<S: TenantSource> DynSource for S {
    fn load(&self, key: TenantKey) -> Load<'_> {
        Box::pin(TenantSource::load(self, key))
    }
}
