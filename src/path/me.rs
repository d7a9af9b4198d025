use http::Uri;

use super::percent::decode_fully;
use super::{CanonicalPath, PathRefusal};
use crate::identity::{ProfileId, Subject};

/// The path of the profiles, here and at the tenant.
const PROFILES: &str = "/profiles";
const PROFILES_SEGMENT: &str = "profiles";

/// Rewrites `/profiles/me` and the paths below it to the path of the subject's profile.
///
/// `Ok(None)`: the rule does not apply. This holds for `/profiles` itself and for paths that every
/// server resolves outside of it. The part after `me` is unchanged, except that a trailing slash is
/// removed. `me` is compared byte for byte: `%6De` and `ME` are ids of other profiles and therefore
/// rejected.
///
/// # Errors
/// If the path is below `/profiles` but not `me`, if it is ambiguous, or if the subject has no
/// profile.
pub fn rewrite_me(path: &str, subject: &Subject) -> Result<Option<String>, PathRefusal> {
    if !concerns_profiles(path) {
        return Ok(None);
    }
    let path = CanonicalPath::parse(path)?;
    let below = path.below(PROFILES).ok_or(PathRefusal::NotMe)?;
    if below.is_empty() {
        return Ok(None);
    }
    let remainder = path.below("/profiles/me").ok_or(PathRefusal::NotMe)?;
    let profile = subject.profile().ok_or(PathRefusal::Anonymous)?;
    let id = profile.as_str();
    let mut rewritten = String::with_capacity(PROFILES.len() + 1 + id.len() + remainder.len());
    for part in [PROFILES, "/", id, remainder] {
        rewritten.push_str(part);
    }
    Ok(Some(rewritten))
}

/// Whether the first segment is `profiles`, or some servers resolve the path below `/profiles`.
/// Runs of slashes are ignored.
fn concerns_profiles(path: &str) -> bool {
    if !path.starts_with('/') {
        return false;
    }
    // The common form.
    if path
        .strip_prefix(PROFILES)
        .is_some_and(|rest| rest.starts_with('/'))
    {
        return true;
    }
    let first = path.split('/').find(|segment| !segment.is_empty());
    first == Some(PROFILES_SEGMENT) || may_resolve_to_profiles(path)
}

/// Whether a server behind this layer may decode or resolve a path to one below `/profiles`.
///
/// `%70rofiles` is such a path, and so is every ambiguous path that contains `profiles`.
fn may_resolve_to_profiles(path: &str) -> bool {
    let is_encoded = path.contains('%');
    if !is_encoded && !path.contains(PROFILES_SEGMENT) {
        return false;
    }
    let name = PROFILES_SEGMENT.as_bytes();
    match CanonicalPath::parse(path) {
        Ok(path) => {
            let first = path.segments().next().unwrap_or_default();
            is_encoded && decode_fully(first.as_bytes()).trim_ascii() == name
        }
        Err(_) => {
            let decoded = decode_fully(path.as_bytes());
            decoded.windows(name.len()).any(|window| window == name)
        }
    }
}

/// A request extension, set if the path was rewritten: the subject's profile and the original
/// target.
///
/// [`Upstream`](crate::Upstream) uses it to rewrite the tenant's `Location` headers. A service
/// behind [`MeRewriteLayer`](crate::MeRewriteLayer) reads it, for example to log the client's own
/// target:
///
/// ```
/// use std::convert::Infallible;
///
/// use http::{Request, Response};
/// use omneo_id::path::MeRequest;
/// use omneo_id::{MeRewriteLayer, Subject};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let service = MeRewriteLayer::new().layer(service_fn(async |request: Request<String>| {
///     assert_eq!(request.uri(), "/profiles/3f0c2f6e/lists?page=2");
///     let me = request.extensions().get::<MeRequest>().unwrap();
///     assert_eq!(me.profile().as_str(), "3f0c2f6e");
///     Ok::<_, Infallible>(Response::new(me.original().to_string()))
/// }));
///
/// // Usually `JwtAuthLayer` inserts the subject.
/// let request = Request::get("/profiles/me/lists?page=2")
///     .extension(Subject::Profile("3f0c2f6e".parse()?))
///     .body(String::new())?;
/// let response = service.oneshot(request).await?;
/// assert_eq!(response.into_body().into_inner().unwrap(), "/profiles/me/lists?page=2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct MeRequest {
    profile: ProfileId,
    original: Uri,
}

impl MeRequest {
    pub(crate) fn new(profile: ProfileId, original: Uri) -> Self {
        Self { profile, original }
    }

    /// The subject's profile.
    pub fn profile(&self) -> &ProfileId {
        &self.profile
    }

    /// The target before the path was rewritten, without the mount of an `OmneoId`.
    pub fn original(&self) -> &Uri {
        &self.original
    }

    /// The part of a tenant path after `/profiles/{id}` of this profile: empty, or beginning with a
    /// slash. `None`: the path is outside that profile.
    #[cfg(feature = "client")]
    pub(crate) fn below_profile<'a>(&self, path: &'a str) -> Option<&'a str> {
        let remainder = path
            .strip_prefix("/profiles/")?
            .strip_prefix(self.profile.as_str())?;
        (remainder.is_empty() || remainder.starts_with('/')).then_some(remainder)
    }

    /// A reference to a resource of this profile, for the client.
    ///
    /// `remainder` is the part of the tenant's path after the profile's id. The result is relative
    /// to the original target
    /// ([RFC 3986 §4.2](https://www.rfc-editor.org/rfc/rfc3986#section-4.2)), so it is independent
    /// of the path at which the service is mounted: for a request to `/profiles/me/addresses`, the
    /// tenant's `…/profiles/{id}/addresses/7` is `../../profiles/me/addresses/7`.
    pub fn public_reference(&self, remainder: &str) -> String {
        let path = self.original.path().bytes();
        let depth = path.filter(|&byte| byte == b'/').count();
        let ups = depth.saturating_sub(1);
        let start = if ups == 0 {
            "./".into()
        } else {
            "../".repeat(ups)
        };
        start + "profiles/me" + remainder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Subject {
        Subject::Profile("ada-1".parse().unwrap())
    }

    macro_rules! table {
        ($($name:ident: $path:expr => $expected:expr;)*) => {
            $(
                #[test]
                fn $name() {
                    let rewritten = rewrite_me($path, &ada());
                    assert_eq!(rewritten.as_ref().map(Option::as_deref).map_err(|e| *e), $expected);
                }
            )*
        };
    }

    table! {
        me_is_the_profile: "/profiles/me" => Ok(Some("/profiles/ada-1"));
        a_trailing_slash_is_removed: "/profiles/me/" => Ok(Some("/profiles/ada-1"));
        a_trailing_slash_below_me_is_removed: "/profiles/me/lists/" =>
            Ok(Some("/profiles/ada-1/lists"));
        everything_below_follows: "/profiles/me/lists/wishlist" =>
            Ok(Some("/profiles/ada-1/lists/wishlist"));
        doubled_slashes_are_merged: "//profiles//me//lists" => Ok(Some("/profiles/ada-1/lists"));
        bytes_are_kept: "/profiles/me/lists/caf%C3%a9/%7E~" =>
            Ok(Some("/profiles/ada-1/lists/caf%C3%a9/%7E~"));
        me_below_me_is_an_ordinary_segment: "/profiles/me/me" => Ok(Some("/profiles/ada-1/me"));
        the_collection_is_not_me: "/profiles" => Ok(None);
        other_paths_are_unchanged: "/locations/7" => Ok(None);
        other_paths_may_be_ambiguous: "/files/a;b/../c" => Ok(None);
        a_longer_segment_is_not_me: "/profiles/meprofile" => Err(PathRefusal::NotMe);
        upper_case_is_not_me: "/profiles/ME" => Err(PathRefusal::NotMe);
        encoded_is_not_me: "/profiles/%6De" => Err(PathRefusal::NotMe);
        another_profile_is_not_me: "/profiles/grace-2" => Err(PathRefusal::NotMe);
        the_collection_may_end_in_a_slash: "/profiles/" => Ok(None);
        another_profile_with_a_slash_is_not_me: "/profiles/grace-2/" => Err(PathRefusal::NotMe);
        other_paths_keep_their_trailing_slash: "/locations/" => Ok(None);
        connections_are_not_me: "/profiles/connection/7/balances" => Err(PathRefusal::NotMe);
        encoded_profiles_are_not_me: "/%70rofiles/grace-2" => Err(PathRefusal::NotMe);
        twice_encoded_profiles_are_not_me: "/%2570rofiles/me" => Err(PathRefusal::NotMe);
        profiles_with_whitespace_are_not_me: "/%20profiles/grace-2" => Err(PathRefusal::NotMe);
        climbing_to_profiles_is_rejected: "/x/../profiles/grace-2" => Err(PathRefusal::DotSegment);
        climbing_to_encoded_profiles_is_rejected: "/x/..;/%70rofiles/grace-2" =>
            Err(PathRefusal::Parameter);
        a_dot_before_profiles_is_rejected: "/%2e/profiles/grace-2" => Err(PathRefusal::DotSegment);
        profiles_after_an_encoded_slash_are_rejected: "/x%2f..%2fprofiles%2fgrace-2" =>
            Err(PathRefusal::Separator);
        profiles_as_a_later_segment_are_unchanged: "/shops/profiles/7" => Ok(None);
        climbing_out_is_rejected: "/profiles/me/../grace-2" => Err(PathRefusal::DotSegment);
        climbing_in_is_rejected: "/profiles/x/../me" => Err(PathRefusal::DotSegment);
    }

    #[test]
    fn an_anonymous_subject_has_no_me() {
        assert_eq!(
            rewrite_me("/profiles/me", &Subject::Anonymous),
            Err(PathRefusal::Anonymous)
        );
    }

    #[test]
    fn references_are_relative_to_the_original_target() {
        let me = |path: &str| MeRequest::new("ada-1".parse().unwrap(), path.parse().unwrap());
        for (asked, expected) in [
            ("/profiles/me", "../profiles/me/x"),
            ("/profiles/me/addresses", "../../profiles/me/x"),
            ("//profiles/me/addresses", "../../../profiles/me/x"),
        ] {
            assert_eq!(me(asked).public_reference("/x"), expected, "{asked}");
        }
    }
}
