use std::mem;

use http::{HeaderMap, HeaderName};

/// Keeps the headers of which `keeps` says so, with all their values.
///
/// A `HeaderMap` has no such method, and removing one by one clones the names. So those to keep move
/// over to a new map, unless all are.
pub(crate) fn retain(headers: &mut HeaderMap, keeps: impl Fn(&HeaderName) -> bool) {
    if headers.keys().all(&keeps) {
        return;
    }
    let all = mem::replace(headers, HeaderMap::with_capacity(headers.len()));
    let mut kept = false;
    headers.extend(all.into_iter().filter(|(name, _)| {
        // A value without a name belongs to the name before it.
        if let Some(name) = name {
            kept = keeps(name);
        }
        kept
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_stays_or_goes_with_all_its_values() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("b", "1"), ("a", "2"), ("c", "3"), ("b", "4"), ("a", "5")] {
            headers.append(name, value.parse().unwrap());
        }
        retain(&mut headers, |name| name != "b");
        let pairs: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}{}", value.to_str().unwrap()))
            .collect();
        assert_eq!(pairs, ["a2", "a5", "c3"]);
        retain(&mut headers, |_| true);
        assert_eq!(headers.len(), 3);
        retain(&mut headers, |_| false);
        assert!(headers.is_empty());
    }
}
