//! Header maps for unit tests of several modules.

use http::{HeaderMap, HeaderName};

pub(crate) fn from_pairs(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
        .collect()
}

/// A line per value, `name: value`, in alphabetical order.
#[cfg(feature = "client")]
pub(crate) fn to_lines(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines
}
