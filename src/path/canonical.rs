use std::borrow::Cow;

use super::PathRefusal;
use super::confusable::is_confusable;
use super::percent::{decode, is_well_formed};

/// A path that every server parses alike.
///
/// Runs of slashes are merged, because published clients send them. A trailing slash is removed,
/// because Laravel redirects such a path to the one without. All other bytes are unchanged.
///
/// A path is rejected if a segment, at any depth of percent-decoding, is `.` or `..` or contains a
/// separator, a control character or a path parameter. Servers disagree on whether these are data
/// or structure.
///
/// ```
/// use omneo_id::path::{CanonicalPath, PathRefusal};
///
/// let path = CanonicalPath::parse("//profiles/me/attributes/custom/shoes:size").unwrap();
/// assert_eq!(path.as_str(), "/profiles/me/attributes/custom/shoes:size");
/// assert_eq!(CanonicalPath::parse("/profiles/me/").unwrap().as_str(), "/profiles/me");
/// assert_eq!(CanonicalPath::parse("/a/%252e%252e/b"), Err(PathRefusal::DotSegment));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalPath<'a>(Cow<'a, str>);

/// How often a segment may be percent-encoded. Some clients encode twice; four leaves a margin.
const MAX_DEPTH: usize = 4;

impl<'a> CanonicalPath<'a> {
    /// Parses the path of a request target, without the query.
    ///
    /// # Errors
    /// If some servers parse it as another path.
    pub fn parse(path: &'a str) -> Result<Self, PathRefusal> {
        if !path.starts_with('/') {
            return Err(PathRefusal::NotAbsolute);
        }
        if is_plain(path.as_bytes()) {
            return Ok(Self(Cow::Borrowed(without_last_slash(path))));
        }
        let merged = match merge_slashes(path) {
            Cow::Borrowed(path) => Cow::Borrowed(without_last_slash(path)),
            Cow::Owned(mut path) => {
                path.truncate(without_last_slash(&path).len());
                Cow::Owned(path)
            }
        };
        merged.split('/').try_for_each(check_segment)?;
        Ok(Self(merged))
    }

    /// The path, with single slashes and without a trailing one. The root is `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments. The root has one empty segment.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').skip(1)
    }

    /// The part after `prefix`: empty, or beginning with a slash. `None`: the prefix does not
    /// match, or does not end at the end of a segment.
    pub fn below(&self, prefix: &str) -> Option<&str> {
        self.0
            .strip_prefix(prefix)
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Whether a path needs no further check: single slashes, and between them letters, digits and
/// marks without a meaning in any encoding. Nearly all paths are plain.
fn is_plain(path: &[u8]) -> bool {
    let (mut found, mut before) = (PLAIN, PLAIN);
    // Without an early exit: nearly all paths are plain.
    for &byte in path {
        let class = CLASSES.get(usize::from(byte)).copied().unwrap_or(OTHER);
        // `OTHER`, or a slash after a slash: two in a row have a bit in common.
        found |= class & (OTHER | before);
        before = class;
    }
    found == PLAIN
}

const PLAIN: u8 = 0;
const SLASH: u8 = 1;
const OTHER: u8 = 2;

/// The class of each byte. A table, because every byte is classified up to three times a request.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time, where an index out of bounds is an error"
)]
const CLASSES: [u8; 256] = {
    let mut classes = [OTHER; 256];
    let mut byte = 0;
    while byte < classes.len() {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b':' | b'@' => PLAIN,
            b'/' => SLASH,
            _ => OTHER,
        };
        byte += 1;
    }
    classes
};

fn merge_slashes(path: &str) -> Cow<'_, str> {
    if !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut merged = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !merged.ends_with('/') {
            merged.push(character);
        }
    }
    Cow::Owned(merged)
}

/// Removes a trailing slash, except that of the root.
fn without_last_slash(path: &str) -> &str {
    match path.strip_suffix('/') {
        None | Some("") => path,
        Some(shorter) => shorter,
    }
}

fn check_segment(segment: &str) -> Result<(), PathRefusal> {
    let raw = segment.as_bytes();
    // RFC 3986 §2: bytes that are not URI characters have to be percent-encoded.
    if !raw.iter().all(u8::is_ascii_graphic) || !is_well_formed(raw) {
        return Err(PathRefusal::Encoding);
    }
    let mut text = Cow::Borrowed(raw);
    for _ in 0..=MAX_DEPTH {
        check_decoded_segment(&text)?;
        match decode(&text) {
            Cow::Borrowed(_) => return Ok(()),
            Cow::Owned(decoded) => text = Cow::Owned(decoded),
        }
    }
    Err(PathRefusal::TooDeep)
}

/// Checks a segment at one depth of decoding.
pub(super) fn check_decoded_segment(text: &[u8]) -> Result<(), PathRefusal> {
    // Overlong forms of `.` and `/` are not UTF-8, so they are rejected here.
    let text = std::str::from_utf8(text).map_err(|_| PathRefusal::Encoding)?;
    for character in text.chars() {
        match character {
            '/' | '\\' | '?' | '#' => return Err(PathRefusal::Separator),
            ';' => return Err(PathRefusal::Parameter),
            _ if character.is_control() => return Err(PathRefusal::Control),
            _ if is_confusable(character) => return Err(PathRefusal::Confusable),
            _ => {}
        }
    }
    // Some servers trim segments before they compare them.
    match text.trim() {
        "." | ".." => Err(PathRefusal::DotSegment),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! table {
        ($($name:ident: $path:expr => $expected:expr;)*) => {
            $(
                #[test]
                fn $name() {
                    let parsed = CanonicalPath::parse($path);
                    let path = parsed.as_ref().map(CanonicalPath::as_str);
                    assert_eq!(path.map_err(|refusal| *refusal), $expected);
                }
            )*
        };
    }

    table! {
        the_root_is_unchanged: "/" => Ok("/");
        slashes_are_merged: "//profiles///me//" => Ok("/profiles/me");
        a_run_of_slashes_is_the_root: "///" => Ok("/");
        a_trailing_slash_is_removed: "/profiles/me/" => Ok("/profiles/me");
        a_trailing_slash_after_an_escape_is_removed: "/lists/caf%C3%A9/" => Ok("/lists/caf%C3%A9");
        a_trailing_run_of_slashes_is_removed: "/a//caf%C3%A9//" => Ok("/a/caf%C3%A9");
        an_encoded_trailing_slash_is_rejected: "/a/%2f" => Err(PathRefusal::Separator);
        raw_colons_pass: "/attributes/custom/ns:handle" => Ok("/attributes/custom/ns:handle");
        encoded_text_is_unchanged: "/lists/caf%C3%A9%20%40%2B" => Ok("/lists/caf%C3%A9%20%40%2B");
        sub_delimiters_pass: "/a@b/~c/d+e/f=g/h,i/j!k/l(m)/n*o/p&q/$" =>
            Ok("/a@b/~c/d+e/f=g/h,i/j!k/l(m)/n*o/p&q/$");
        dots_inside_segments_pass: "/v1.2/a..b/...x/.well-known" =>
            Ok("/v1.2/a..b/...x/.well-known");
        an_encoded_percent_passes: "/lists/50%25" => Ok("/lists/50%25");
        an_encoded_percent_before_letters_passes: "/lists/50%25off" => Ok("/lists/50%25off");
        asterisk_form_is_rejected: "*" => Err(PathRefusal::NotAbsolute);
        an_empty_path_is_rejected: "" => Err(PathRefusal::NotAbsolute);
        dot: "/a/./b" => Err(PathRefusal::DotSegment);
        dot_dot: "/a/../b" => Err(PathRefusal::DotSegment);
        dot_dot_at_the_end: "/a/.." => Err(PathRefusal::DotSegment);
        half_encoded_dots: "/a/.%2e/b" => Err(PathRefusal::DotSegment);
        encoded_dots: "/a/%2E%2e/b" => Err(PathRefusal::DotSegment);
        twice_encoded_dots: "/a/%252e%252e/b" => Err(PathRefusal::DotSegment);
        thrice_encoded_dots: "/a/%25252e./b" => Err(PathRefusal::DotSegment);
        dots_with_space: "/a/..%20/b" => Err(PathRefusal::DotSegment);
        encoded_slash: "/a/..%2fb" => Err(PathRefusal::Separator);
        twice_encoded_slash: "/a%252Fb" => Err(PathRefusal::Separator);
        backslash: "/a\\b" => Err(PathRefusal::Separator);
        encoded_backslash: "/a%5cb" => Err(PathRefusal::Separator);
        encoded_question_mark: "/a%3fb" => Err(PathRefusal::Separator);
        encoded_hash: "/a%23b" => Err(PathRefusal::Separator);
        path_parameter: "/a;v=1/b" => Err(PathRefusal::Parameter);
        dots_with_parameter: "/a/..;/b" => Err(PathRefusal::Parameter);
        encoded_parameter: "/a%3Bv" => Err(PathRefusal::Parameter);
        nul: "/a%00" => Err(PathRefusal::Control);
        newline: "/a%0ab" => Err(PathRefusal::Control);
        twice_encoded_return: "/a%250d" => Err(PathRefusal::Control);
        overlong_slash: "/a%c0%afb" => Err(PathRefusal::Encoding);
        overlong_dots: "/%c0%ae%c0%ae/b" => Err(PathRefusal::Encoding);
        utf8_surrogate: "/%ed%a0%80" => Err(PathRefusal::Encoding);
        bad_escape: "/a%zz" => Err(PathRefusal::Encoding);
        cut_escape: "/a%4" => Err(PathRefusal::Encoding);
        iis_escape: "/%u002e%u002e/b" => Err(PathRefusal::Encoding);
        raw_utf8: "/caf\u{e9}" => Err(PathRefusal::Encoding);
        fullwidth_dots: "/%ef%bc%8e%ef%bc%8e/b" => Err(PathRefusal::Confusable);
        fullwidth_slash: "/a%ef%bc%8fb" => Err(PathRefusal::Confusable);
        division_slash: "/..%e2%88%95b" => Err(PathRefusal::Confusable);
        set_minus: "/..%e2%88%96b" => Err(PathRefusal::Confusable);
        one_dot_leaders: "/%e2%80%a4%e2%80%a4/b" => Err(PathRefusal::Confusable);
        nested_too_deep: "/a%25252525252e" => Err(PathRefusal::TooDeep);
    }

    #[test]
    fn a_prefix_ends_where_a_segment_ends() {
        let path = CanonicalPath::parse("/profiles/meprofile").unwrap();
        assert_eq!(path.below("/profiles/me"), None);
        assert_eq!(path.below("/profiles"), Some("/meprofile"));
    }
}
