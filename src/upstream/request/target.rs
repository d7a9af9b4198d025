//! Where a request goes: the tenant's address before the path, and nothing else changed.

use bytes::Bytes;
use http::uri::{Authority, Parts, PathAndQuery, Uri};
use http::{Method, Request, Version};

use crate::path::{CanonicalPath, MeRequest, QueryRefusal, check_query};
use crate::rejection::{Rejection, RejectionKind};
use crate::tenant::Tenant;

/// `{scheme}://{authority}{base_path}{path}{query}`, path and query byte for byte but for runs of
/// slashes, which are merged.
///
/// # Errors
/// If the request is not in origin-form, some reader could take its path for another one, its query
/// overrides the method, or what came out is not what it had to be.
pub(in crate::upstream) fn of<B>(
    request: &Request<B>,
    tenant: &Tenant,
    me: Option<&MeRequest>,
) -> Result<Uri, Rejection> {
    let refused = || Rejection::new(RejectionKind::PathRefused);
    let uri = request.uri();
    // RFC 9113 §8.3.1: over HTTP/2 every request names its authority; it says no more than `Host`
    // does over HTTP/1.1, where an absolute-form is a request to a forward proxy.
    let multiplexed = matches!(request.version(), Version::HTTP_2 | Version::HTTP_3);
    if (uri.scheme().is_some() || uri.authority().is_some()) && !multiplexed {
        return Err(refused());
    }
    let path = CanonicalPath::parse(uri.path()).map_err(|error| refused().because(error))?;
    if let Some(query) = uri.query() {
        check(query, request.method(), me)?;
    }
    // Fails for what is too long: all its bytes come from targets that were valid.
    let too_long = |error: http::Error| Rejection::new(RejectionKind::UriTooLong).because(error);
    let joined = join(tenant.base_path(), path.as_str(), uri.query());
    let mut parts = Parts::default();
    parts.scheme = Some(tenant.scheme().clone());
    parts.authority = Some(tenant.authority().clone());
    parts.path_and_query =
        Some(PathAndQuery::from_maybe_shared(joined).map_err(|error| too_long(error.into()))?);
    let target = Uri::from_parts(parts).map_err(|error| too_long(error.into()))?;
    if leads_home(&target, tenant, me) {
        Ok(target)
    } else {
        Err(refused())
    }
}

/// The rule on queries once more. Only a call of our own may name somebody by an identity.
fn check(query: &str, method: &Method, me: Option<&MeRequest>) -> Result<(), Rejection> {
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

/// The last look before the API token is attached: the tenant's authority, below its base path,
/// and, where the request is somebody's `me`, at or below that profile.
fn leads_home(target: &Uri, tenant: &Tenant, me: Option<&MeRequest>) -> bool {
    let Some(below) = target.path().strip_prefix(tenant.base_path()) else {
        return false;
    };
    let own = me.is_none_or(|me| below_profile(below, me).is_some());
    target.scheme() == Some(tenant.scheme())
        && target.authority().map(Authority::as_str) == Some(tenant.authority().as_str())
        && below.starts_with('/')
        && own
}

/// What lies behind `/profiles/{pid}`: nothing, or something that begins with a slash.
pub(in crate::upstream) fn below_profile<'a>(path: &'a str, me: &MeRequest) -> Option<&'a str> {
    let remainder = path
        .strip_prefix("/profiles/")?
        .strip_prefix(me.profile().as_str())?;
    (remainder.is_empty() || remainder.starts_with('/')).then_some(remainder)
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
        of(&request, &tenant(), me).ok().map(|uri| uri.to_string())
    }

    #[test]
    fn path_and_query_pass_byte_for_byte() {
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
        let target = of(&request, &tenant, None).unwrap();
        assert_eq!(target.to_string(), "https://api.acme.test/a?b");
    }

    #[test]
    fn only_origin_form_is_taken() {
        for uri in ["http://evil.test/profiles/ada", "evil.test:443", "*"] {
            assert_eq!(target(uri, None), None, "{uri}");
        }
    }

    #[test]
    fn the_authority_of_an_http2_request_is_no_target() {
        let request = Request::builder()
            .uri("https://shop.test/locations?a=1")
            .version(Version::HTTP_2)
            .body(())
            .unwrap();
        let target = of(&request, &tenant(), None).unwrap();
        assert_eq!(
            target.to_string(),
            "https://api.acme.test/api/v3/locations?a=1"
        );
    }

    #[test]
    fn a_path_that_can_be_read_in_two_ways_is_refused() {
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
