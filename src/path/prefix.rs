/// A path prefix as it is configured, without its trailing slash: empty, or `/segment[/segment]…`.
///
/// Segments are letters, digits, `-`, `_`, `~` and inner dots, so that no reader can take the
/// prefix for another one.
pub(crate) fn plain_prefix(path: &str) -> Option<&str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte);
    let mut segments = path.split('/');
    let rooted = segments.next() == Some("");
    let canonical = segments.all(|s| !matches!(s, "" | "." | "..") && s.bytes().all(plain));
    (rooted && canonical).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_empty_or_rooted_and_plain() {
        for (given, expected) in [
            ("", Some("")),
            ("/", Some("")),
            ("/api/v3", Some("/api/v3")),
            ("/api/v3/", Some("/api/v3")),
            ("/v1.2", Some("/v1.2")),
            ("api", None),
            ("//api", None),
            ("/api//v3", None),
            ("/api/../v3", None),
            ("/api/%2e", None),
            ("/api?x", None),
        ] {
            assert_eq!(plain_prefix(given), expected, "{given}");
        }
    }
}
