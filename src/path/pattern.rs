use std::fmt;

use super::canonical::check_decoded_segment;

/// A path pattern below `me`, with wildcards: `/lists/*/items/**`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    segments: Box<[Segment]>,
    /// Whether the pattern ends in `**`.
    is_open: bool,
}

#[derive(Clone, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    /// `*`
    Any,
}

/// How a literal is compared with a segment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Compare {
    Exact,
    /// ASCII letters are case-insensitive, and surrounding whitespace is ignored.
    Loose,
}

impl Pattern {
    /// Parses a configured pattern.
    ///
    /// # Errors
    /// The reason, if the pattern is invalid or cannot match.
    pub(super) fn parse(pattern: &str) -> Result<Self, &'static str> {
        let below = pattern
            .strip_prefix('/')
            .ok_or("it does not begin with a slash")?;
        if below == "profiles/me" || below.starts_with("profiles/me/") {
            return Err("it begins behind /profiles/me: write / for the profile itself");
        }
        let below = below.strip_suffix('/').unwrap_or(below);
        let mut segments = Vec::new();
        if below.is_empty() {
            return Ok(Self::new(segments, false));
        }
        let mut rest = below.split('/').peekable();
        while let Some(segment) = rest.next() {
            match segment {
                "**" if rest.peek().is_none() => return Ok(Self::new(segments, true)),
                "**" => {
                    return Err("** matches the rest of the path and has to be the last segment");
                }
                "*" => segments.push(Segment::Any),
                "" => return Err("it has an empty segment"),
                _ if segment.contains('*') => return Err("* matches a complete segment"),
                _ if segment.contains('%') => return Err("it is written without percent-encoding"),
                _ if check_decoded_segment(segment.as_bytes()).is_err()
                    || segment.trim() != segment =>
                {
                    return Err("it cannot match a path that is forwarded");
                }
                _ => segments.push(Segment::Literal(segment.into())),
            }
        }
        Ok(Self::new(segments, false))
    }

    fn new(segments: Vec<Segment>, is_open: bool) -> Self {
        let segments = segments.into();
        Self { segments, is_open }
    }

    /// Whether the pattern matches these decoded segments.
    pub(super) fn matches<T: AsRef<str>>(&self, path: &[T], compare: Compare) -> bool {
        let length_matches = if self.is_open {
            path.len() >= self.segments.len()
        } else {
            path.len() == self.segments.len()
        };
        let mut pairs = self.segments.iter().zip(path);
        length_matches && pairs.all(|(own, segment)| own.matches(segment.as_ref(), compare))
    }
}

impl Segment {
    fn matches(&self, segment: &str, compare: Compare) -> bool {
        match (self, compare) {
            (Self::Any, _) => true,
            (Self::Literal(literal), Compare::Exact) => **literal == *segment,
            (Self::Literal(literal), Compare::Loose) => {
                literal.eq_ignore_ascii_case(segment.trim())
            }
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            let text = match segment {
                Segment::Literal(literal) => literal,
                Segment::Any => "*",
            };
            write!(f, "/{text}")?;
        }
        match (self.is_open, self.segments.is_empty()) {
            (true, _) => f.write_str("/**"),
            (false, true) => f.write_str("/"),
            (false, false) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &[&str]) -> bool {
        Pattern::parse(pattern)
            .unwrap_or_else(|reason| panic!("{pattern}: {reason}"))
            .matches(path, Compare::Exact)
    }

    #[test]
    fn one_star_matches_a_segment_and_two_match_the_rest() {
        for (pattern, path, expected) in [
            ("/", &[][..], true),
            ("/", &["lists"], false),
            ("/purge", &["purge"], true),
            ("/purge/", &["purge"], true),
            ("/purge", &["purge", "x"], false),
            ("/purge", &[], false),
            ("/lists/*", &["lists", "7"], true),
            ("/lists/*", &["lists"], false),
            ("/lists/*", &["lists", "7", "items"], false),
            ("/*/items", &["lists", "items"], true),
            ("/lists/**", &["lists"], true),
            ("/lists/**", &["lists", "7", "items"], true),
            ("/lists/**", &["listings"], false),
            ("/lists/**", &[], false),
            ("/**", &[], true),
            ("/**", &["a", "b"], true),
            (
                "/attributes/custom/ns:handle",
                &["attributes", "custom", "ns:handle"],
                true,
            ),
            ("/lists/caf\u{e9}", &["lists", "caf\u{e9}"], true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path:?}");
        }
    }

    #[test]
    fn a_pattern_that_cannot_match_is_invalid() {
        for pattern in [
            "",
            "purge",
            "*",
            "/a//b",
            "/**/items",
            "/a*",
            "/***",
            "/p%75rge",
            "/a/../b",
            "/.",
            "/a;b",
            "/a?b",
            "/a\\b",
            "/ a",
            "/profiles/me",
            "/profiles/me/purge",
        ] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn the_debug_format_is_the_configured_pattern() {
        for pattern in ["/", "/**", "/a/*/b", "/a/**"] {
            assert_eq!(format!("{:?}", Pattern::parse(pattern).unwrap()), pattern);
        }
    }
}
