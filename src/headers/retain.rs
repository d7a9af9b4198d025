use http::{HeaderMap, HeaderName};

/// Keeps the headers for which `keeps` returns true, with all their values. `HeaderMap` has no
/// `retain`.
///
/// The removed names are copied into one buffer: cloning a `HeaderName` that is not a standard one
/// allocates.
pub(crate) fn retain(headers: &mut HeaderMap, keeps: impl Fn(&HeaderName) -> bool) {
    let mut removed = String::new();
    for name in headers.keys().filter(|name| !keeps(name)) {
        if removed.is_empty() {
            removed.reserve(CAPACITY);
        }
        removed.push_str(name.as_str());
        removed.push(SEPARATOR);
    }
    for name in removed.split_terminator(SEPARATOR) {
        headers.remove(name);
    }
}

/// In bytes: holds the removed names of a typical request of a browser, or response of a PHP
/// application.
const CAPACITY: usize = 256;

/// Does not occur in header names (RFC 9110 §5.6.2).
const SEPARATOR: char = ',';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_kept_or_removed_with_all_its_values() {
        let mut headers = HeaderMap::new();
        let pairs = [("b", "1"), ("a", "2"), ("c", "3"), ("b", "4"), ("a", "5")];
        let long = "x".repeat(300);
        for (name, value) in pairs.into_iter().chain([(&*long, "6")]) {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        retain(&mut headers, |name| name != "b" && *name != *long);
        let values = |name: &str| headers.get_all(name).iter().collect::<Vec<_>>();
        assert_eq!(values("a"), ["2", "5"]);
        assert_eq!(values("c"), ["3"]);
        assert_eq!(headers.len(), 3);
        retain(&mut headers, |_| true);
        assert_eq!(headers.len(), 3);
        retain(&mut headers, |_| false);
        assert!(headers.is_empty());
    }
}
