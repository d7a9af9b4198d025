use http::uri::{PathAndQuery, Uri};
use http::{Method, Request};

use crate::identity::Subject;
use crate::path::{MeRequest, PathRefusal, check_query, rewrite_me};
use crate::rejection::{Rejection, RejectionKind};

/// What any path below `me` may be asked, as far as this side knows.
pub(super) const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Why a request does not go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// It only asked for the methods.
    Options,
    Refused(Rejection),
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

/// Applies the me rule to a request, in place.
///
/// # Errors
/// If the request is not to go on.
pub(super) fn apply<B>(request: &mut Request<B>) -> Result<(), Stop> {
    // Without a subject nobody is asking. The rule still says whether that matters on this path.
    let subject = Subject::of(request.extensions());
    let nobody = Subject::Anonymous;
    let (path, profile) = match rewrite_me(request.uri().path(), subject.unwrap_or(&nobody)) {
        Ok(None) => return Ok(()),
        Ok(Some(path)) => (path, subject.and_then(Subject::profile).cloned()),
        Err(PathRefusal::Anonymous) if subject.is_none() => {
            return Err(RejectionKind::MissingCredentials.into());
        }
        Err(reason) => return Err(Rejection::new(kind_of(reason)).because(reason).into()),
    };
    let profile = profile.ok_or(RejectionKind::NoProfile)?;

    match *request.method() {
        Method::OPTIONS => return Err(Stop::Options),
        Method::TRACE | Method::CONNECT => return Err(Rejection::method_not_allowed(ALLOW).into()),
        _ => {}
    }
    if let Some(query) = request.uri().query() {
        check_query(query, request.method())
            .map_err(|reason| Rejection::new(RejectionKind::QueryRefused).because(reason))?;
    }

    let target = with_path(request.uri(), path)?;
    let original = std::mem::replace(request.uri_mut(), target);
    request
        .extensions_mut()
        .insert(MeRequest::new(profile, original));
    Ok(())
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
    let mut parts = uri.clone().into_parts();
    // Fails for what is too long: all its bytes came from a target that was valid.
    let target = PathAndQuery::try_from(path)
        .map_err(|error| Rejection::new(RejectionKind::UriTooLong).because(error))?;
    parts.path_and_query = Some(target);
    Uri::from_parts(parts)
        .map_err(|error| Rejection::new(RejectionKind::PathRefused).because(error))
}
