use std::fmt;

use super::canonical::check_text;

/// A path below `me`, with blanks to be filled in: `/lists/*/items/**`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    segments: Box<[Segment]>,
    /// Whether it ended in `**`.
    open: bool,
}

#[derive(Clone, PartialEq, Eq)]
enum Segment {
    Word(Box<str>),
    /// `*`
    Any,
}

/// How a word of a pattern is compared with a segment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Compare {
    Exact,
    /// ASCII letters without their case, blanks around it ignored.
    Loose,
}

impl Pattern {
    /// Reads a pattern as it is configured; the error says what is wrong with it.
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
                "**" => return Err("** stands for all the rest: nothing can follow it"),
                "*" => segments.push(Segment::Any),
                "" => return Err("it holds an empty segment"),
                _ if segment.contains('*') => return Err("* stands for a whole segment"),
                _ if segment.contains('%') => return Err("it is written without percent-encoding"),
                _ if check_text(segment.as_bytes()).is_err() || segment.trim() != segment => {
                    return Err("no path that is sent on could match it");
                }
                _ => segments.push(Segment::Word(segment.into())),
            }
        }
        Ok(Self::new(segments, false))
    }

    fn new(segments: Vec<Segment>, open: bool) -> Self {
        let segments = segments.into();
        Self { segments, open }
    }

    /// Whether it fits these decoded segments.
    pub(super) fn fits<T: AsRef<str>>(&self, path: &[T], compare: Compare) -> bool {
        let long_enough = if self.open {
            path.len() >= self.segments.len()
        } else {
            path.len() == self.segments.len()
        };
        let fits = |(own, other): (&Segment, &T)| match own {
            Segment::Any => true,
            Segment::Word(word) => compare.same(word, other.as_ref()),
        };
        long_enough && self.segments.iter().zip(path).all(fits)
    }
}

impl Compare {
    fn same(self, word: &str, segment: &str) -> bool {
        match self {
            Self::Exact => word == segment,
            Self::Loose => word.eq_ignore_ascii_case(segment.trim()),
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            let text = match segment {
                Segment::Word(word) => word,
                Segment::Any => "*",
            };
            write!(f, "/{text}")?;
        }
        match (self.open, self.segments.is_empty()) {
            (true, _) => f.write_str("/**"),
            (false, true) => f.write_str("/"),
            (false, false) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, path: &[&str]) -> bool {
        Pattern::parse(pattern)
            .unwrap_or_else(|why| panic!("{pattern}: {why}"))
            .fits(path, Compare::Exact)
    }

    #[test]
    fn a_star_is_one_segment_and_two_are_the_rest() {
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
            assert_eq!(fits(pattern, path), expected, "{pattern} {path:?}");
        }
    }

    #[test]
    fn what_could_never_match_is_no_pattern() {
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
    fn a_pattern_is_shown_as_it_was_written() {
        for pattern in ["/", "/**", "/a/*/b", "/a/**"] {
            assert_eq!(format!("{:?}", Pattern::parse(pattern).unwrap()), pattern);
        }
    }
}
