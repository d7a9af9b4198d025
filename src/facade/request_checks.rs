//! The checks of a request before any layer is called.

use std::ops::ControlFlow;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{PathAndQuery, Uri};
use http::{Method, Request, Response, Version};
use http_body_util::Full;

use crate::headers::{WireProtocol, asks_for_websocket, single_value};
use crate::path::{AccessPolicy, CanonicalPath};
use crate::rejection::{Rejection, RejectionKind, options};
use crate::report::Route;

/// The longest request target, in bytes. nginx and Apache have limits of 8 KiB, too.
const MAX_TARGET: usize = 8 * 1024;

/// Finds the route of a request, and replaces its target by the one below the mount.
///
/// The target of a route of `me` keeps its path as the client sent it: the me rule canonicalizes
/// it, and a relative `Location` depends on its slashes. Other targets become canonical.
///
/// # Errors
/// If the target is invalid or has no route.
pub(super) fn find_route<B>(request: &mut Request<B>, mount: &str) -> Result<Route, Rejection> {
    if *request.method() == Method::CONNECT && request.uri().path_and_query().is_none() {
        // RFC 9112 §3.2.3: the target of CONNECT is an authority, without a path.
        return Err(Rejection::method_not_allowed(Route::Me.allow()));
    }
    to_origin_form(request)?;
    if target_len(request.uri()) > MAX_TARGET {
        return Err(RejectionKind::UriTooLong.into());
    }
    let uri = request.uri();
    let path = below_mount(uri.path(), mount).ok_or(RejectionKind::NotFound)?;
    let canonical = CanonicalPath::parse(path)
        .map_err(|reason| Rejection::new(RejectionKind::PathRefused).because(reason))?;
    let route = Route::from_path(&canonical).ok_or(RejectionKind::NotFound)?;
    let path = if route.is_me() {
        path
    } else {
        canonical.as_str()
    };
    if path.len() != uri.path().len() {
        let target = with_query(path, uri.query());
        let target = PathAndQuery::try_from(target)
            .map_err(|error| Rejection::new(RejectionKind::PathRefused).because(error))?;
        *request.uri_mut() = Uri::from(target);
    }
    Ok(route)
}

/// Checks the method and the headers of a request for `route`.
///
/// Breaks with the response to a request that is rejected or answered here.
pub(super) fn check_method<B>(
    request: &Request<B>,
    route: Route,
    access: Option<&AccessPolicy>,
) -> ControlFlow<Response<Full<Bytes>>> {
    if request.method() == Method::OPTIONS {
        // Answered before authentication: a CORS preflight carries no token.
        return ControlFlow::Break(match access {
            Some(access) if route.is_me() => {
                let path = CanonicalPath::parse(request.uri().path()).ok();
                let below_me = path.as_ref().and_then(|path| path.below("/profiles/me"));
                options(access.allow_header(below_me.unwrap_or_default()))
            }
            _ => options(route.allow()),
        });
    }
    let rejection = if !route.supports(request.method()) {
        Rejection::method_not_allowed(route.allow())
    } else if asks_for_websocket(request.headers()) {
        RejectionKind::UpgradeRefused.into()
    } else {
        return ControlFlow::Continue(());
    };
    let protocol = WireProtocol::from_headers(request.headers());
    ControlFlow::Break(rejection.into_response(protocol))
}

/// RFC 9112 §3.2.2: "a server MUST accept the absolute-form in requests even though most HTTP/1.1
/// clients will only send the absolute-form to a proxy". Omneo ID does not proxy to other hosts:
/// the authority must be equal to `Host`.
fn to_origin_form<B>(request: &mut Request<B>) -> Result<(), Rejection> {
    // RFC 9113 §8.3.1: an HTTP/2 request carries its authority as a pseudo-header.
    let is_multiplexed = matches!(request.version(), Version::HTTP_2 | Version::HTTP_3);
    let uri = request.uri();
    let (false, Some(authority)) = (is_multiplexed, uri.authority()) else {
        return Ok(());
    };
    let is_own_host = match single_value(request.headers(), HOST) {
        Ok(Some(host)) => host
            .as_bytes()
            .eq_ignore_ascii_case(authority.as_str().as_bytes()),
        _ => false,
    };
    match uri.path_and_query() {
        Some(target) if is_own_host => *request.uri_mut() = Uri::from(target.clone()),
        _ => return Err(RejectionKind::PathRefused.into()),
    }
    Ok(())
}

fn target_len(uri: &Uri) -> usize {
    uri.path_and_query()
        .map_or(0, |target| target.as_str().len())
}

/// The path below the mount. The mount must end at the end of a segment.
fn below_mount<'a>(path: &'a str, mount: &str) -> Option<&'a str> {
    match path.strip_prefix(mount)? {
        "" => Some("/"),
        below => below.starts_with('/').then_some(below),
    }
}

fn with_query(path: &str, query: Option<&str>) -> String {
    match query {
        Some(query) => [path, "?", query].concat(),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn target(path: &str, mount: &str) -> Result<String, StatusCode> {
        let mut request = Request::get(path).body(()).unwrap();
        match find_route(&mut request, mount) {
            Ok(_) => Ok(request.uri().to_string()),
            Err(rejection) => Err(rejection.kind().status()),
        }
    }

    #[test]
    fn the_mount_is_stripped_where_a_segment_ends() {
        let not_found = Err(StatusCode::NOT_FOUND);
        for (path, mount, expected) in [
            ("/id/profiles/me", "/id", Ok("/profiles/me")),
            ("/id/locations?x=1", "/id", Ok("/locations?x=1")),
            ("/id/elsewhere", "/id", not_found),
            ("/id/profiles/me", "/i", not_found),
            ("/idprofiles/me", "/id", not_found),
            ("/profiles/me", "/id", not_found),
            ("/id", "/id", not_found),
            ("/locations", "", Ok("/locations")),
        ] {
            let expected = expected.map(str::to_owned);
            assert_eq!(target(path, mount), expected, "{path} {mount}");
        }
    }

    #[test]
    fn only_the_path_of_me_keeps_its_slashes() {
        for (path, expected) in [
            ("/id//profiles//me/?a=/b/", "//profiles//me/?a=/b/"),
            ("/id//profiles/me/lists", "//profiles/me/lists"),
            ("/id//locations//7/?a=/b/", "/locations/7?a=/b/"),
            ("/id/profiles/", "/profiles"),
        ] {
            assert_eq!(target(path, "/id").as_deref(), Ok(expected), "{path}");
        }
    }
}
