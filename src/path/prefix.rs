/// A configured path prefix, without its trailing slash: empty, or `/segment[/segment]…`.
///
/// Segments consist of letters, digits, `-`, `_`, `~` and `.`, and are not `.` or `..`, so that
/// every server parses the prefix alike. `None`: other segments, or no leading slash.
pub(crate) fn plain_prefix(path: &str) -> Option<&str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut segments = path.split('/');
    let is_absolute = segments.next() == Some("");
    (is_absolute && segments.all(is_plain_segment)).then_some(path)
}

fn is_plain_segment(segment: &str) -> bool {
    let mut bytes = segment.bytes();
    !matches!(segment, "" | "." | "..")
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_empty_or_absolute_and_plain() {
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
