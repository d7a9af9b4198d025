//! The URI of the request to the tenant: the tenant's origin and base path, and the unchanged path.

use bytes::Bytes;
use http::uri::{Authority, Parts, PathAndQuery, Uri};
use http::{Method, Request, Version};

use crate::path::{CanonicalPath, MeRequest, QueryRefusal, check_query};
use crate::rejection::{Rejection, RejectionKind};
use crate::tenant::Tenant;

/// `{scheme}://{authority}{base_path}{path}{query}`. Path and query are unchanged, except that runs
/// of slashes are merged.
///
/// # Errors
/// If the request is not in origin-form, its path is ambiguous, its query overrides the method, or
/// the result is outside the tenant's API.
pub(in crate::upstream) fn tenant_uri<B>(
    request: &Request<B>,
    tenant: &Tenant,
    me: Option<&MeRequest>,
) -> Result<Uri, Rejection> {
    let uri = request.uri();
    // RFC 9113 §8.3.1: over HTTP/2 every request has an authority, which is equivalent to `Host`.
    // Over HTTP/1.1 an absolute-form is a request to a forward proxy.
    let is_multiplexed = matches!(request.version(), Version::HTTP_2 | Version::HTTP_3);
    if (uri.scheme().is_some() || uri.authority().is_some()) && !is_multiplexed {
        return Err(RejectionKind::PathRefused.into());
    }
    let path = CanonicalPath::parse(uri.path())
        .map_err(|error| Rejection::new(RejectionKind::PathRefused).because(error))?;
    if let Some(query) = uri.query() {
        recheck_query(query, request.method(), me)?;
    }
    let joined = join(tenant.base_path(), path.as_str(), uri.query());
    let mut parts = Parts::default();
    parts.scheme = Some(tenant.scheme().clone());
    parts.authority = Some(tenant.authority().clone());
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(joined).map_err(too_long)?);
    let target = Uri::from_parts(parts).map_err(too_long)?;
    if is_within_api(&target, tenant, me) {
        Ok(target)
    } else {
        Err(RejectionKind::PathRefused.into())
    }
}

/// A URI can only be invalid for its length: its parts come from valid URIs.
fn too_long(error: impl Into<http::Error>) -> Rejection {
    Rejection::new(RejectionKind::UriTooLong).because(error.into())
}

/// Checks the query a second time. Only our own calls may look up a profile by an identity.
fn recheck_query(query: &str, method: &Method, me: Option<&MeRequest>) -> Result<(), Rejection> {
    match check_query(query, method) {
        Ok(()) => Ok(()),
        Err(QueryRefusal::Identity) if me.is_none() => Ok(()),
        Err(error) => Err(Rejection::new(RejectionKind::QueryRefused).because(error)),
    }
}

fn join(base_path: &str, path: &str, query: Option<&str>) -> Bytes {
    let length = base_path.len() + path.len() + query.map_or(0, |query| 1 + query.len());
    let mut joined = String::with_capacity(length);
    joined.push_str(base_path);
    joined.push_str(path);
    if let Some(query) = query {
        joined.push('?');
        joined.push_str(query);
    }
    joined.into()
}

/// The last check before the API token is attached: the URI has the tenant's authority and base
/// path, and a `me` request is at or below the subject's profile.
fn is_within_api(target: &Uri, tenant: &Tenant, me: Option<&MeRequest>) -> bool {
    let Some(below) = target.path().strip_prefix(tenant.base_path()) else {
        return false;
    };
    target.scheme() == Some(tenant.scheme())
        && target.authority().map(Authority::as_str) == Some(tenant.authority().as_str())
        && below.starts_with('/')
        && me.is_none_or(|me| me.below_profile(below).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::ApiToken;

    fn tenant() -> Tenant {
        Tenant::new("https://api.acme.test", ApiToken::new("api-token").unwrap()).unwrap()
    }

    fn me() -> MeRequest {
        MeRequest::new("ada".parse().unwrap(), "/profiles/me".parse().unwrap())
    }

    fn target(uri: &str, me: Option<&MeRequest>) -> Option<String> {
        let request = Request::builder().uri(uri).body(()).unwrap();
        let uri = tenant_uri(&request, &tenant(), me);
        uri.ok().map(|uri| uri.to_string())
    }

    #[test]
    fn path_and_query_are_unchanged() {
        for uri in [
            "/profiles/ada",
            "/profiles/ada/attributes/custom/ns:handle?x=%5B1%5D&y=a+b%20c",
            "/locations?filter%5Bis_published%5D=1",
            "/lists/%E2%98%83/a.b/...x/..y?",
        ] {
            let expected = format!("https://api.acme.test/api/v3{uri}");
            assert_eq!(target(uri, None), Some(expected), "{uri}");
        }
    }

    #[test]
    fn an_empty_base_path_adds_nothing() {
        let tenant = tenant().with_base_path("").unwrap();
        let request = Request::builder().uri("/a?b").body(()).unwrap();
        let target = tenant_uri(&request, &tenant, None).unwrap();
        assert_eq!(target.to_string(), "https://api.acme.test/a?b");
    }

    #[test]
    fn only_origin_form_is_accepted() {
        for uri in ["http://evil.test/profiles/ada", "evil.test:443", "*"] {
            assert_eq!(target(uri, None), None, "{uri}");
        }
    }

    #[test]
    fn an_ambiguous_path_is_rejected() {
        for path in [
            "/..",
            "/a/../b",
            "/a/%2e%2E/b",
            "/..;x/b",
            "/a%2fb",
            "/a\\b",
            "/a%00",
        ] {
            assert_eq!(target(path, None), None, "{path}");
        }
        let merged = target("//locations//7", None);
        assert_eq!(
            merged.as_deref(),
            Some("https://api.acme.test/api/v3/locations/7")
        );
    }

    #[test]
    fn a_me_request_stays_below_its_profile() {
        let me = me();
        for uri in [
            "/profiles/ada",
            "/profiles/ada/",
            "/profiles/ada/x?y",
            "/profiles/ada?y",
        ] {
            assert!(target(uri, Some(&me)).is_some(), "{uri}");
        }
        for uri in [
            "/profiles/adam",
            "/profiles/bob",
            "/locations",
            "/profiles",
            "/profiles/ada%2f..",
            "/profiles/ADA",
        ] {
            assert_eq!(target(uri, Some(&me)), None, "{uri}");
        }
    }
}
