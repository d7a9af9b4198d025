//! Header names that a policy adds to its default list: shared by the clones of the policy.

use std::sync::Arc;

use http::header::HeaderName;

pub(super) fn append_name(
    names: Option<&Arc<[HeaderName]>>,
    name: HeaderName,
) -> Arc<[HeaderName]> {
    let names = names.into_iter().flat_map(|names| names.iter().cloned());
    names.chain([name]).collect()
}

pub(super) fn contains_name(names: Option<&Arc<[HeaderName]>>, name: &HeaderName) -> bool {
    names.is_some_and(|names| names.contains(name))
}
