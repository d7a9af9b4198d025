use std::borrow::Cow;

use crate::path::percent::decode;

/// The segments of the path at each depth of decoding: decoded once, twice, and so on until no
/// escape remains.
pub(super) fn decoded_forms(remainder: &str) -> Vec<Vec<String>> {
    let segments = remainder.split('/').filter(|segment| !segment.is_empty());
    let first: Vec<String> = segments
        .map(|segment| decode_segment(segment).into_owned())
        .collect();
    let mut decoded_forms = vec![first];
    while let Some(next) = decoded_forms.last().and_then(|last| decode_again(last)) {
        decoded_forms.push(next);
    }
    decoded_forms
}

fn decode_again(path: &[String]) -> Option<Vec<String>> {
    let has_escape = path
        .iter()
        .any(|segment| matches!(decode_segment(segment), Cow::Owned(_)));
    has_escape.then(|| {
        path.iter()
            .map(|segment| decode_segment(segment).into_owned())
            .collect()
    })
}

/// Canonical paths are UTF-8 at every depth, so the lossy conversion loses nothing.
fn decode_segment(segment: &str) -> Cow<'_, str> {
    match decode(segment.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(segment),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}
