use std::borrow::Cow;

use bytes::Bytes;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::Full;

use crate::headers::WireProtocol;
use crate::identity::Subject;
use crate::path::{AccessPolicy, AccessRefusal, MeRequest, PathRefusal, check_query, rewrite_me};
use crate::rejection::{Rejection, RejectionKind, options};

/// What any path below `me` may be asked, as far as this side knows.
const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// What becomes of a request that is not stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Go {
    On,
    /// As soon as its body is known not to turn it into another method.
    AfterReading,
}

/// Why a request does not go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// It only asked for these methods.
    Options(Cow<'static, str>),
    Refused(Rejection),
}

impl Stop {
    /// What the client is told instead.
    pub(super) fn into_response(self, request: &HeaderMap) -> Response<Full<Bytes>> {
        match self {
            Self::Options(allow) => options(allow),
            Self::Refused(rejection) => {
                rejection.into_response(WireProtocol::from_headers(request))
            }
        }
    }
}

impl From<Rejection> for Stop {
    fn from(rejection: Rejection) -> Self {
        Self::Refused(rejection)
    }
}

impl From<RejectionKind> for Stop {
    fn from(kind: RejectionKind) -> Self {
        Self::Refused(kind.into())
    }
}

/// Applies the me rule to a request, in place, and what may be asked of `me`. The rule begins
/// behind `mount` bytes of the path, which are left out.
///
/// # Errors
/// If the request is not to go on.
pub(super) fn apply<B>(
    request: &mut Request<B>,
    access: Option<&AccessPolicy>,
    mount: usize,
) -> Result<Go, Stop> {
    // Without a subject nobody is asking. The rule still says whether that matters on this path.
    let subject = Subject::of(request.extensions());
    let nobody = Subject::Anonymous;
    let path = behind(mount, request.uri().path()).ok_or(RejectionKind::PathRefused)?;
    let (path, profile) = match rewrite_me(path, subject.unwrap_or(&nobody)) {
        Ok(None) => return Ok(Go::On),
        Ok(Some(path)) => (path, subject.and_then(Subject::profile).cloned()),
        Err(PathRefusal::Anonymous) if subject.is_none() => {
            return Err(RejectionKind::MissingCredentials.into());
        }
        Err(reason) => return Err(Rejection::new(kind_of(reason)).because(reason).into()),
    };
    let profile = profile.ok_or(RejectionKind::NoProfile)?;

    let below = path.get("/profiles/".len() + profile.as_str().len()..);
    let go = check_method(request.method(), below.unwrap_or_default(), access)?;
    if let Some(query) = request.uri().query() {
        check_query(query, request.method())
            .map_err(|reason| Rejection::new(RejectionKind::QueryRefused).because(reason))?;
    }

    let target = with_path(request.uri(), path)?;
    let original = std::mem::replace(request.uri_mut(), target);
    request
        .extensions_mut()
        .insert(MeRequest::new(profile, original, mount));
    Ok(go)
}

/// What the rule reads. A mount that does not end where a segment ends is not the one that the
/// caller has seen: what is read would not be what the next one reads.
fn behind(mount: usize, path: &str) -> Option<&str> {
    match mount {
        0 => Some(path),
        _ => path.get(mount..).filter(|path| path.starts_with('/')),
    }
}

/// `below` is what follows `me` in the path.
fn check_method(method: &Method, below: &str, access: Option<&AccessPolicy>) -> Result<Go, Stop> {
    if *method == Method::OPTIONS {
        return Err(Stop::Options(match access {
            Some(access) => access.allow_header(below).into(),
            None => ALLOW.into(),
        }));
    }
    // RFC 9110 §9.1: methods are case-sensitive. Symfony makes capitals of them, so `delete` would
    // be one method here and another one there.
    let capital = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
    let plain = method.as_str().bytes().all(capital);
    if !plain || matches!(*method, Method::TRACE | Method::CONNECT) {
        return Err(Rejection::method_not_allowed(ALLOW).into());
    }
    let Some(access) = access else {
        return Ok(Go::On);
    };
    access.check(method, below).map_err(refused)?;
    // Symfony lets the content of a POST, and of nothing else, name the method that counts.
    if *method == Method::POST && !access.permits_every_method(below) {
        return Ok(Go::AfterReading);
    }
    Ok(Go::On)
}

fn refused(reason: AccessRefusal) -> Rejection {
    let rejection = match &reason {
        AccessRefusal::Method { allow } => Rejection::method_not_allowed(allow.clone()),
        AccessRefusal::Path => RejectionKind::Forbidden.into(),
    };
    rejection.because(reason)
}

fn kind_of(reason: PathRefusal) -> RejectionKind {
    match reason {
        PathRefusal::NotMe => RejectionKind::NotFound,
        PathRefusal::Anonymous => RejectionKind::NoProfile,
        _ => RejectionKind::PathRefused,
    }
}

/// The same target with another path; the query is kept byte for byte.
fn with_path(uri: &Uri, mut path: String) -> Result<Uri, Rejection> {
    if let Some(query) = uri.query() {
        path.reserve_exact(1 + query.len());
        path.push('?');
        path.push_str(query);
    }
    // Fails for what is too long: all its bytes came from a target that was valid.
    let target = PathAndQuery::try_from(path)
        .map_err(|error| Rejection::new(RejectionKind::UriTooLong).because(error))?;
    if uri.scheme().is_none() && uri.authority().is_none() {
        return Ok(Uri::from(target));
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target);
    Uri::from_parts(parts)
        .map_err(|error| Rejection::new(RejectionKind::PathRefused).because(error))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn a_mount_that_is_not_there_is_refused() {
        let apply = |path: &str, mount| {
            let ada = Subject::Profile("ada-1".parse().unwrap());
            let request = Request::get(path).extension(ada);
            let mut request = request.body(()).unwrap();
            match apply(&mut request, None, mount) {
                Ok(_) => Ok(request.uri().to_string()),
                Err(stop) => Err(stop.into_response(request.headers()).status()),
            }
        };
        let refused = Err(StatusCode::NOT_FOUND);
        for (path, mount, expected) in [
            ("/id/profiles/me", 3, Ok("/profiles/ada-1")),
            ("/id/elsewhere", 3, Ok("/id/elsewhere")),
            ("/id/profiles/grace-2", 2, refused),
            ("/id/profiles/grace-2", 4, refused),
            ("/profiles/grace-2", 18, refused),
            ("/id", 3, refused),
            ("*", 1, refused),
            ("*", 0, Ok("*")),
        ] {
            let expected = expected.map(str::to_owned);
            assert_eq!(apply(path, mount), expected, "{path} {mount}");
        }
    }
}
