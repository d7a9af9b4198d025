use std::fmt;

/// Why a path is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathRefusal {
    /// The path does not begin with `/`: asterisk-form, authority-form.
    NotAbsolute,
    /// A segment that some servers resolve as `.` or `..`.
    DotSegment,
    /// An encoded `/`, `\`, `?` or `#`, or a raw `\`.
    Separator,
    /// A `;`: some servers parse path parameters, others do not.
    Parameter,
    /// A control character, NUL included.
    Control,
    /// A `%` without two hexadecimal digits, bytes that are not UTF-8, or bytes that should have
    /// been percent-encoded.
    Encoding,
    /// A character that Unicode normalization maps to one of the above.
    Confusable,
    /// Percent-encoded more than four times.
    TooDeep,
    /// Below `/profiles`, but not at or below `/profiles/me`.
    NotMe,
    /// `/profiles/me` of a subject without a profile.
    Anonymous,
}

impl fmt::Display for PathRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAbsolute => "the path does not begin with a slash",
            Self::DotSegment => "the path contains a dot segment",
            Self::Separator => "the path contains an encoded separator",
            Self::Parameter => "the path contains a path parameter",
            Self::Control => "the path contains a control character",
            Self::Encoding => "the path is not properly percent-encoded",
            Self::Confusable => "the path contains a character that normalizes to a separator",
            Self::TooDeep => "the path is percent-encoded too often",
            Self::NotMe => "only the profile `me` can be requested",
            Self::Anonymous => "the token does not belong to a profile",
        })
    }
}

impl std::error::Error for PathRefusal {}
