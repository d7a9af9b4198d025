//! The end of the sessions of a profile that its owner deletes.

use std::convert::Infallible;
use std::future::Future;

use http::{Method, Request, Response};

use super::future::Deletion;
use crate::body::Body;
use crate::error::ConfigError;
use crate::identity::ProfileId;
use crate::path::{AccessPolicy, CanonicalPath};
use crate::report::Report;
use crate::revocation::Revocations;

/// Matches the requests below `/profiles/me` that delete the profile. An access policy that denies
/// them checks a path at every level of percent-encoding, as the tenant might decode it.
pub(super) struct Deletions(AccessPolicy);

impl Deletions {
    pub(super) fn new() -> Result<Self, ConfigError> {
        let policy = AccessPolicy::allow_all()
            .deny("DELETE", "/")?
            .deny("DELETE, POST", "/purge")?;
        Ok(Self(policy))
    }

    /// Whether a success of this request means that the profile does not exist any more.
    pub(super) fn matches<B>(&self, request: &Request<B>) -> bool {
        let method = request.method();
        if *method != Method::DELETE && *method != Method::POST {
            return false;
        }
        let path = CanonicalPath::parse(request.uri().path());
        let below_me = path
            .as_ref()
            .ok()
            .and_then(|path| path.below("/profiles/me"));
        // A path of several segments never matches. The policy is not evaluated for it.
        below_me.is_some_and(|path| path.rfind('/') <= Some(0) && !self.0.permits(method, path))
    }
}

/// Ends the sessions of the profile after the tenant has deleted it, before the client receives the
/// response.
pub(super) fn end_sessions_after<F, B>(
    future: F,
    profile: ProfileId,
    revocations: Revocations,
) -> Deletion
where
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Into<Body>,
{
    Box::pin(async move {
        let Ok(response) = future.await;
        let response = response.map(Into::into);
        if is_deleted(&response)
            && let Err(error) = revocations.revoke_profile(&profile).await
        {
            // The profile is deleted, so the response stays a success.
            #[cfg(feature = "tracing")]
            tracing::warn!(cause = %error, "the sessions of a deleted profile were not ended");
            #[cfg(not(feature = "tracing"))]
            let _ = error;
        }
        Ok(response)
    })
}

/// Whether the tenant has answered with a 2xx, even if its response could not be forwarded.
fn is_deleted<B>(response: &Response<B>) -> bool {
    let report: Option<&Report> = response.extensions().get();
    let status = report
        .and_then(Report::tenant)
        .and_then(|tenant| tenant.status());
    status.is_some_and(|status| status.is_success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_deletions_and_purges_match() {
        let deletions = Deletions::new().unwrap();
        for (method, path, expected) in [
            ("DELETE", "/profiles/me", true),
            ("DELETE", "/profiles/me/", true),
            ("DELETE", "//profiles//me//?x=1", true),
            ("DELETE", "/profiles/me/purge", true),
            ("POST", "/profiles/me/purge", true),
            ("POST", "//profiles/me//purge/", true),
            ("POST", "/profiles/me/p%75rge", true),
            ("POST", "/profiles/me/p%2575rge", true),
            ("POST", "/profiles/me/Purge", true),
            ("POST", "/profiles/me", false),
            ("GET", "/profiles/me", false),
            ("GET", "/profiles/me/purge", false),
            ("PUT", "/profiles/me/purge", false),
            ("DELETE", "/profiles/me/lists/1", false),
            ("DELETE", "/profiles/me/lists/purge", false),
            ("DELETE", "/profiles/me/purged", false),
            ("DELETE", "/profiles/me/purge/1", false),
            ("DELETE", "/profiles/me/../me", false),
            ("DELETE", "/profiles", false),
        ] {
            let request = Request::builder().method(method).uri(path);
            let found = deletions.matches(&request.body(()).unwrap());
            assert_eq!(found, expected, "{method} {path}");
        }
    }
}
