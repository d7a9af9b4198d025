//! Where a request goes: the tenant's address before the path, and nothing else changed.

use bytes::Bytes;
use http::uri::{PathAndQuery, Uri};
use http::{Request, Version};

use crate::path::MeRequest;
use crate::tenant::Tenant;

/// `{scheme}://{authority}{base_path}{path}{query}`, path and query byte for byte.
///
/// `None` if the request is not in origin-form, its path could be read as leaving the base path,
/// or what came out is not what it had to be.
pub(super) fn of<B>(request: &Request<B>, tenant: &Tenant, me: Option<&MeRequest>) -> Option<Uri> {
    let uri = request.uri();
    // RFC 9113 §8.3.1: over HTTP/2 every request names its authority; it says no more than `Host`
    // does over HTTP/1.1, where an absolute-form is a request to a forward proxy.
    let multiplexed = matches!(request.version(), Version::HTTP_2 | Version::HTTP_3);
    if (uri.scheme().is_some() || uri.authority().is_some()) && !multiplexed {
        return None;
    }
    if !uri.path().starts_with('/') || has_dot_segments(uri.path()) {
        return None;
    }
    let path_and_query = join(tenant.base_path(), uri.path_and_query()?)?;
    let target = Uri::builder()
        .scheme(tenant.scheme().clone())
        .authority(tenant.authority().clone())
        .path_and_query(path_and_query)
        .build()
        .ok()?;
    leads_home(&target, tenant, me).then_some(target)
}

/// Whether a path holds a `.` or `..` that a server in front of the tenant could resolve.
pub(super) fn has_dot_segments(path: &str) -> bool {
    path.split(['/', '\\']).any(|segment| {
        let mut rest = segment;
        let mut dots = 0;
        while let Some(after) = strip_dot(rest) {
            rest = after;
            dots += 1;
        }
        // `..;x` is `..` to servers that know path parameters.
        matches!(dots, 1 | 2) && (rest.is_empty() || rest.starts_with(';'))
    })
}

fn strip_dot(segment: &str) -> Option<&str> {
    segment.strip_prefix('.').or_else(|| {
        let (dot, rest) = segment.split_at_checked(3)?;
        dot.eq_ignore_ascii_case("%2e").then_some(rest)
    })
}

fn join(base_path: &str, path_and_query: &PathAndQuery) -> Option<PathAndQuery> {
    if base_path.is_empty() {
        return Some(path_and_query.clone());
    }
    let joined = [base_path, path_and_query.as_str()].concat();
    PathAndQuery::from_maybe_shared(Bytes::from(joined)).ok()
}

/// The last look before the API token is attached: the tenant's authority, below its base path,
/// and, where the request is somebody's `me`, at or below that profile.
fn leads_home(target: &Uri, tenant: &Tenant, me: Option<&MeRequest>) -> bool {
    let Some(below) = target.path().strip_prefix(tenant.base_path()) else {
        return false;
    };
    let own = me.is_none_or(|me| below_profile(below, me).is_some());
    target.scheme() == Some(tenant.scheme())
        && target.authority() == Some(tenant.authority())
        && below.starts_with('/')
        && own
}

/// What lies behind `/profiles/{pid}`: nothing, or something that begins with a slash.
pub(super) fn below_profile<'a>(path: &'a str, me: &MeRequest) -> Option<&'a str> {
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
        of(&request, &tenant(), me).map(|uri| uri.to_string())
    }

    #[test]
    fn path_and_query_pass_byte_for_byte() {
        for uri in [
            "/profiles/ada",
            "/profiles/ada/attributes/custom/ns:handle?x=%5B1%5D&y=a+b%20c",
            "/locations?filter%5Bis_published%5D=1",
            "/lists/%E2%98%83/a.b/...x/..y?",
            "//profiles//ada",
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
    fn dot_segments_are_refused_in_every_spelling() {
        for path in [
            "/..",
            "/.",
            "/a/../b",
            "/a/%2e%2E/b",
            "/a/.%2e",
            "/a/%2e",
            "/..;x/b",
            "/a\\..\\b",
        ] {
            assert!(has_dot_segments(path), "{path}");
        }
        for path in ["/a.b", "/...", "/..a", "/a..", "/%2e%2e%2e", "/.well-known"] {
            assert!(!has_dot_segments(path), "{path}");
        }
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
            "//profiles/ada",
            "/profiles/ADA",
        ] {
            assert_eq!(target(uri, Some(&me)), None, "{uri}");
        }
    }
}
