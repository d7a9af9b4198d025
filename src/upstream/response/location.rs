//! Where the tenant says that something is, as the client would find it.

use http::uri::Authority;

use crate::path::{CanonicalPath, MeRequest};
use crate::tenant::Tenant;
use crate::upstream::request::target;

/// A `Location` at or below the profile of `me`, as a reference under `/profiles/me`.
///
/// `None` for everything else: other hosts, other profiles, relative references, paths that could
/// be read in two ways.
pub(in crate::upstream) fn public(
    location: &str,
    tenant: &Tenant,
    me: &MeRequest,
) -> Option<String> {
    if !location.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let location = location.split('#').next()?;
    let (authority, path_and_query) = split_authority(location)?;
    if authority.is_some_and(|authority| !is_tenant(authority, tenant)) {
        return None;
    }
    let (path, query) = match path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path_and_query, None),
    };
    let path = CanonicalPath::parse(path).ok()?;
    let below = path.below(tenant.base_path())?;
    let mut remainder = target::below_profile(below, me)?.to_owned();
    if let Some(query) = query {
        remainder.push('?');
        remainder.push_str(query);
    }
    Some(me.public_reference(&remainder))
}

/// RFC 3986 §4.2: the authority, if the reference has one, and an absolute path.
fn split_authority(location: &str) -> Option<(Option<&str>, &str)> {
    let behind_scheme = match location.split_once("://") {
        Some((scheme, rest)) if is_http(scheme) => Some(rest),
        _ => location.strip_prefix("//"),
    };
    match behind_scheme {
        Some(rest) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at_checked(end)?;
            Some((Some(authority), path))
        }
        None => location.starts_with('/').then_some((None, location)),
    }
}

fn is_http(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
}

/// The same host and port. A tenant behind a load balancer may not know that it is reached by
/// https, so neither scheme nor a default port tells its own locations from others.
fn is_tenant(authority: &str, tenant: &Tenant) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else {
        return false;
    };
    let plain = |port: Option<u16>| port.filter(|port| !matches!(port, 80 | 443));
    let own = tenant.authority();
    !authority.as_str().contains('@')
        && authority.host().eq_ignore_ascii_case(own.host())
        && plain(authority.port_u16()) == plain(own.port_u16())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::ApiToken;

    fn mapped(location: &str) -> Option<String> {
        let token = ApiToken::new("api-token").unwrap();
        let tenant = Tenant::new("https://api.acme.test", token).unwrap();
        let me = MeRequest::new(
            "ada".parse().unwrap(),
            "/profiles/me/addresses".parse().unwrap(),
        );
        public(location, &tenant, &me)
    }

    #[test]
    fn a_location_below_the_profile_is_named_as_the_client_would() {
        for (location, expected) in [
            ("/api/v3/profiles/ada", "../../profiles/me"),
            (
                "/api/v3/profiles/ada/addresses/7",
                "../../profiles/me/addresses/7",
            ),
            (
                "/api/v3/profiles/ada/addresses/?page=2",
                "../../profiles/me/addresses?page=2",
            ),
            (
                "https://api.acme.test/api/v3/profiles/ada/x?y=%20",
                "../../profiles/me/x?y=%20",
            ),
            (
                "HTTP://API.acme.test:80/api/v3/profiles/ada/x#z",
                "../../profiles/me/x",
            ),
            (
                "//api.acme.test/api/v3/profiles/ada?y",
                "../../profiles/me?y",
            ),
        ] {
            assert_eq!(mapped(location).as_deref(), Some(expected), "{location}");
        }
    }

    #[test]
    fn every_other_location_is_nobodys_business() {
        for location in [
            "",
            "addresses/7",
            "../ada",
            "/api/v3/profiles/bob",
            "/api/v3/profiles/adam",
            "/api/v3/profiles/ada/../bob",
            "/api/v3/profiles/ada/%2e%2e/bob",
            "/api/v3/profiles/ada\\..\\bob",
            "/api/v3/locations/7",
            "/profiles/ada",
            "//evil.test/api/v3/profiles/ada",
            "https://evil.test/api/v3/profiles/ada",
            "https://api.acme.test:8443/api/v3/profiles/ada",
            "https://api.acme.test@evil.test/api/v3/profiles/ada",
            "https://user@api.acme.test/api/v3/profiles/ada",
            "https:api.acme.test/api/v3/profiles/ada",
            "javascript://api.acme.test/api/v3/profiles/ada",
            "/api/v3/profiles/ada /x",
        ] {
            assert_eq!(mapped(location), None, "{location}");
        }
    }
}
