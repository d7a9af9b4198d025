//! Rewrites the tenant's `Location` headers to the paths of the client.

use http::uri::Authority;

use crate::path::{CanonicalPath, MeRequest};
use crate::tenant::Tenant;

/// A `Location` at or below the subject's profile, as a reference under `/profiles/me`.
///
/// `None` for all others: other hosts, other profiles, relative references, ambiguous paths.
pub(super) fn to_public(location: &str, tenant: &Tenant, me: &MeRequest) -> Option<String> {
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
    let mut remainder = me.below_profile(below)?.to_owned();
    if let Some(query) = query {
        remainder.push('?');
        remainder.push_str(query);
    }
    Some(me.public_reference(&remainder))
}

/// RFC 3986 §4.2: the authority, if the reference has one, and an absolute path.
fn split_authority(location: &str) -> Option<(Option<&str>, &str)> {
    let after_scheme = match location.split_once("://") {
        Some((scheme, rest)) if is_http(scheme) => Some(rest),
        _ => location.strip_prefix("//"),
    };
    match after_scheme {
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

/// Whether host and port are the tenant's. The scheme and default ports are ignored: a tenant
/// behind a load balancer may be configured with http although clients connect over https.
fn is_tenant(authority: &str, tenant: &Tenant) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else {
        return false;
    };
    let own = tenant.authority();
    !authority.as_str().contains('@')
        && authority.host().eq_ignore_ascii_case(own.host())
        && custom_port(&authority) == custom_port(own)
}

/// The port, unless it is a default one.
fn custom_port(authority: &Authority) -> Option<u16> {
    authority
        .port_u16()
        .filter(|port| !matches!(port, 80 | 443))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::ApiToken;

    fn rewritten(location: &str) -> Option<String> {
        let token = ApiToken::new("api-token").unwrap();
        let tenant = Tenant::new("https://api.acme.test", token).unwrap();
        let me = MeRequest::new(
            "ada".parse().unwrap(),
            "/profiles/me/addresses".parse().unwrap(),
        );
        to_public(location, &tenant, &me)
    }

    #[test]
    fn a_location_below_the_profile_is_rewritten_to_me() {
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
            assert_eq!(rewritten(location).as_deref(), Some(expected), "{location}");
        }
    }

    #[test]
    fn every_other_location_is_removed() {
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
            assert_eq!(rewritten(location), None, "{location}");
        }
    }
}
