use crate::path::MeRequest;

/// The part of a tenant path after `/profiles/{id}` of the request's subject: empty, or beginning
/// with a slash. `None`: the path is outside that profile.
pub(super) fn below_profile<'a>(path: &'a str, me: &MeRequest) -> Option<&'a str> {
    let remainder = path
        .strip_prefix("/profiles/")?
        .strip_prefix(me.profile().as_str())?;
    (remainder.is_empty() || remainder.starts_with('/')).then_some(remainder)
}
