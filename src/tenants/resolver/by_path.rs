use super::TenantResolver;
use crate::tenant::TenantKey;
use crate::tenants::RequestHead;

/// Finds the tenant by the first segment of the path: `/acme/id/api/v1/profiles/me` belongs to
/// `acme`.
///
/// The segment is the key as it is, in lower case and without percent-encoding. The path is passed
/// on unchanged, so each tenant is mounted below its key: see
/// [`TenantSet::mount_below_key`](crate::tenants::TenantSet::mount_below_key).
///
/// ```
/// use http::Request;
/// use omneo_id::tenants::{RequestHead, TenantByPath, TenantResolver};
///
/// let request = Request::get("/acme/id/api/v1/profiles/me").body(())?;
/// let key = TenantByPath.resolve(RequestHead::from_request(&request));
/// assert_eq!(key, Some("acme".parse()?));
/// # Ok::<(), omneo_id::error::BoxError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantByPath;

impl TenantResolver for TenantByPath {
    fn resolve(&self, request: RequestHead<'_>) -> Option<TenantKey> {
        let path = request.uri().path().strip_prefix('/')?;
        TenantKey::from_lower_case(path.split('/').next()?)
    }
}
