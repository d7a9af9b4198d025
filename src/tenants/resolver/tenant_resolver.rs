use crate::tenant::TenantKey;
use crate::tenants::RequestHead;

/// Turns a request into the key of its tenant.
///
/// It is called for each request, so it neither waits nor allocates. The key need not exist: an
/// unknown key, or `None`, is a 404.
///
/// Closures are resolvers:
///
/// ```
/// use omneo_id::tenants::{RequestHead, TenantKey, TenantResolver};
///
/// // `/b/…` belongs to one tenant, all other paths to another one.
/// fn by_area() -> Result<impl TenantResolver, omneo_id::tenants::InvalidTenantKey> {
///     let (business, retail) = ("business".parse()?, "retail".parse()?);
///     Ok(move |request: RequestHead<'_>| -> Option<TenantKey> {
///         let is_business = request.uri().path().starts_with("/b/");
///         Some(if is_business { business } else { retail })
///     })
/// }
/// # by_area().unwrap();
/// ```
pub trait TenantResolver: Send + Sync + 'static {
    /// The key of the request's tenant; `None` if the request belongs to no tenant.
    fn resolve(&self, request: RequestHead<'_>) -> Option<TenantKey>;
}

impl<F> TenantResolver for F
where
    F: Fn(RequestHead<'_>) -> Option<TenantKey> + Send + Sync + 'static,
{
    fn resolve(&self, request: RequestHead<'_>) -> Option<TenantKey> {
        self(request)
    }
}
