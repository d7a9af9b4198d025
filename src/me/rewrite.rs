use std::mem;
use std::ops::ControlFlow;

use bytes::Bytes;
use http::uri::{PathAndQuery, Uri};
use http::{Method, Request, Response};
use http_body_util::Full;

use crate::headers::WireProtocol;
use crate::identity::{ProfileId, Subject};
use crate::path::{
    AccessPolicy, AccessRefusal, MeRequest, PathRefusal, Permission, check_query, rewrite_me,
};
use crate::rejection::{Rejection, RejectionKind, options};

/// The methods that any path of `me` may support at the tenant.
const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Whether the content of a request must be checked before the request is forwarded.
#[derive(Debug)]
pub(super) enum BodyCheck {
    NotRequired,
    /// The content could have a field, or name another method, that the access policy denies.
    Required(Permission),
}

/// Applies the me rule and the access policy to a request, in place.
///
/// Breaks with the response to a request that is rejected, or to `OPTIONS`.
pub(super) fn rewrite<B>(
    request: &mut Request<B>,
    access: Option<&AccessPolicy>,
) -> ControlFlow<Response<Full<Bytes>>, BodyCheck> {
    let target = match find_target(request) {
        Ok(Some(target)) => target,
        Ok(None) => return ControlFlow::Continue(BodyCheck::NotRequired),
        Err(rejection) => return reject(request, rejection),
    };
    if *request.method() == Method::OPTIONS {
        return ControlFlow::Break(match access {
            Some(access) => options(access.allow_header(target.below_me())),
            None => options(ALLOW),
        });
    }
    match check_access(request, &target, access)
        .and_then(|check| target.apply(request).map(|()| check))
    {
        Ok(check) => ControlFlow::Continue(check),
        Err(rejection) => reject(request, rejection),
    }
}

fn reject<B, C>(
    request: &Request<B>,
    rejection: Rejection,
) -> ControlFlow<Response<Full<Bytes>>, C> {
    let protocol = WireProtocol::from_headers(request.headers());
    ControlFlow::Break(rejection.into_response(protocol))
}

/// The path of a profile at the tenant.
struct Target {
    path: String,
    profile: ProfileId,
}

/// The target of a request below `/profiles/me`; `None` for a path outside the me rule.
fn find_target<B>(request: &Request<B>) -> Result<Option<Target>, Rejection> {
    let subject = Subject::from_extensions(request.extensions());
    // The rule decides whether a missing subject matters on this path.
    match rewrite_me(request.uri().path(), subject.unwrap_or(&Subject::Anonymous)) {
        Ok(None) => Ok(None),
        Ok(Some(path)) => {
            let profile = subject.and_then(Subject::profile).cloned();
            let profile = profile.ok_or(RejectionKind::NoProfile)?;
            Ok(Some(Target { path, profile }))
        }
        Err(PathRefusal::Anonymous) if subject.is_none() => {
            Err(RejectionKind::MissingCredentials.into())
        }
        Err(reason) => Err(Rejection::new(rejection_kind(reason)).because(reason)),
    }
}

impl Target {
    /// The part of the path that follows `me`.
    fn below_me(&self) -> &str {
        let prefix = "/profiles/".len() + self.profile.as_str().len();
        self.path.get(prefix..).unwrap_or_default()
    }

    /// Replaces the target of the request and inserts a [`MeRequest`].
    fn apply<B>(self, request: &mut Request<B>) -> Result<(), Rejection> {
        let uri = with_path(request.uri(), self.path)?;
        let original = mem::replace(request.uri_mut(), uri);
        request
            .extensions_mut()
            .insert(MeRequest::new(self.profile, original));
        Ok(())
    }
}

/// Checks the method, the path and the query of a request.
fn check_access<B>(
    request: &Request<B>,
    target: &Target,
    access: Option<&AccessPolicy>,
) -> Result<BodyCheck, Rejection> {
    let method = request.method();
    check_method(method)?;
    let permission = access.map(|access| access.check(method, target.below_me()));
    let permission = permission.transpose().map_err(access_rejection)?;
    let fields = permission
        .as_ref()
        .and_then(|permission| permission.fields.as_ref());
    if let Some(query) = request.uri().query() {
        check_query(query, method)
            .map_err(|reason| Rejection::new(RejectionKind::QueryRefused).because(reason))?;
        if let Some(name) = fields.and_then(|fields| fields.refused_in_form(query.as_bytes())) {
            return Err(field_rejection(&name));
        }
    }
    Ok(match permission {
        Some(permission) if permission.keeps_method || permission.fields.is_some() => {
            BodyCheck::Required(permission)
        }
        _ => BodyCheck::NotRequired,
    })
}

fn check_method(method: &Method) -> Result<(), Rejection> {
    // RFC 9110 §9.1: methods are case-sensitive. Symfony converts them to upper case, so `delete`
    // would be one method here and another one at the tenant.
    let is_upper_case = method
        .as_str()
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    if !is_upper_case || matches!(*method, Method::TRACE | Method::CONNECT) {
        return Err(Rejection::method_not_allowed(ALLOW));
    }
    Ok(())
}

fn access_rejection(reason: AccessRefusal) -> Rejection {
    let rejection = match &reason {
        AccessRefusal::Method { allow } => Rejection::method_not_allowed(allow.clone()),
        _ => RejectionKind::Forbidden.into(),
    };
    rejection.because(reason)
}

/// The rejection of a request with a field of this name.
pub(super) fn field_rejection(name: &str) -> Rejection {
    Rejection::new(RejectionKind::FieldNotAllowed)
        .with_message(format!("The field {name} is not allowed here."))
        .because(AccessRefusal::Field)
}

fn rejection_kind(reason: PathRefusal) -> RejectionKind {
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
    // All bytes come from a valid target: only the length can be invalid.
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
