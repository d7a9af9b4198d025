//! What happens to a request before any layer sees it.

use std::borrow::Cow;

use http::header::HOST;
use http::uri::{PathAndQuery, Uri};
use http::{Method, Request, Version};

use crate::headers::{asks_for_websocket, single_value};
use crate::path::{AccessPolicy, CanonicalPath};
use crate::rejection::{Rejection, RejectionKind};
use crate::report::Route;

/// The longest request target, in bytes.
const MAX_TARGET: usize = 8 * 1024;

/// Why a request goes no further than to its route, if there is one.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) route: Option<Route>,
    pub(super) answer: Answer,
}

#[derive(Debug)]
pub(super) enum Answer {
    /// It only asked for these methods.
    Options(Cow<'static, str>),
    Refused(Rejection),
}

impl Stop {
    fn at(route: Route, answer: Answer) -> Self {
        let route = Some(route);
        Self { route, answer }
    }
}

impl From<Rejection> for Stop {
    fn from(rejection: Rejection) -> Self {
        Self {
            route: None,
            answer: Answer::Refused(rejection),
        }
    }
}

impl From<RejectionKind> for Stop {
    fn from(kind: RejectionKind) -> Self {
        Rejection::new(kind).into()
    }
}

/// Finds the route of a request and leaves in it the target below the mount, as it will be sent.
/// The me rule makes its own: for it the target stays as it came.
///
/// # Errors
/// If there is no such route, or it has no such method.
pub(super) fn admit<B>(
    request: &mut Request<B>,
    mount: &str,
    access: Option<&AccessPolicy>,
) -> Result<Route, Stop> {
    if *request.method() == Method::CONNECT && request.uri().path_and_query().is_none() {
        // RFC 9112 §3.2.3: its target is no path, but somewhere else.
        return Err(Rejection::method_not_allowed(Route::Me.allow()).into());
    }
    to_origin_form(request)?;
    let uri = request.uri();
    if uri
        .path_and_query()
        .is_some_and(|target| target.as_str().len() > MAX_TARGET)
    {
        return Err(RejectionKind::UriTooLong.into());
    }
    let path = below_mount(uri.path(), mount).ok_or(RejectionKind::NotFound)?;
    let canonical = CanonicalPath::parse(path)
        .map_err(|reason| Rejection::new(RejectionKind::PathRefused).because(reason))?;
    let route = Route::of(&canonical).ok_or(RejectionKind::NotFound)?;
    if request.method() == Method::OPTIONS {
        // Nobody's token is needed to ask, so the me rule never comes to answer.
        let below_me = canonical.below("/profiles/me").unwrap_or_default();
        let allow = match access {
            Some(access) if route.is_me() => access.allow_header(below_me).into(),
            _ => route.allow().into(),
        };
        return Err(Stop::at(route, Answer::Options(allow)));
    }
    if !route.takes(request.method()) {
        let rejection = Rejection::method_not_allowed(route.allow());
        return Err(Stop::at(route, Answer::Refused(rejection)));
    }
    if asks_for_websocket(request.headers()) {
        let rejection = RejectionKind::UpgradeRefused.into();
        return Err(Stop::at(route, Answer::Refused(rejection)));
    }

    if !route.is_me() && canonical.as_str().len() != uri.path().len() {
        let target = with_query(canonical.as_str(), uri.query());
        let target = PathAndQuery::try_from(target)
            .map_err(|error| Rejection::new(RejectionKind::PathRefused).because(error))?;
        *request.uri_mut() = Uri::from(target);
    }
    Ok(route)
}

/// RFC 9112 §3.2.2: "a server MUST accept the absolute-form in requests even though most HTTP/1.1
/// clients will only send the absolute-form to a proxy". Ours is no proxy for other hosts: the
/// authority has to be the one of `Host`.
fn to_origin_form<B>(request: &mut Request<B>) -> Result<(), Stop> {
    // RFC 9113 §8.3.1: over HTTP/2 every request names its authority.
    let multiplexed = matches!(request.version(), Version::HTTP_2 | Version::HTTP_3);
    let uri = request.uri();
    let (false, Some(authority)) = (multiplexed, uri.authority()) else {
        return Ok(());
    };
    let own = match single_value(request.headers(), HOST) {
        Ok(Some(host)) => host
            .as_bytes()
            .eq_ignore_ascii_case(authority.as_str().as_bytes()),
        _ => false,
    };
    match uri.path_and_query() {
        Some(target) if own => *request.uri_mut() = Uri::from(target.clone()),
        _ => return Err(RejectionKind::PathRefused.into()),
    }
    Ok(())
}

/// What follows the mount, which ends where a segment ends.
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
