use http::{HeaderMap, HeaderName};

/// Keeps the headers of which `keeps` says so, with all their values.
///
/// A `HeaderMap` has no such method. Usually a few go and most stay: those that go are noted first.
pub(crate) fn retain(headers: &mut HeaderMap, keeps: impl Fn(&HeaderName) -> bool) {
    let gone: Vec<HeaderName> = headers
        .keys()
        .filter(|name| !keeps(name))
        .cloned()
        .collect();
    for name in gone {
        headers.remove(name);
    }
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
