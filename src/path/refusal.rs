use std::fmt;

/// Why a path is not sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathRefusal {
    /// It does not begin with `/`: asterisk-form, authority-form.
    NotAbsolute,
    /// A segment that some reader would take for `.` or `..`.
    DotSegment,
    /// A `/`, `\`, `?` or `#` that only shows once the path is decoded, or a raw `\`.
    Separator,
    /// A `;`: path parameters are read by some servers and not by others.
    Parameter,
    /// A control character, or NUL.
    Control,
    /// A `%` without two hexadecimal digits, bytes that are no UTF-8, or bytes that should have
    /// been percent-encoded.
    Encoding,
    /// A character that Unicode normalisation would turn into one of the above.
    Confusable,
    /// Percent-encoded more often than anybody honest would.
    TooDeep,
    /// Below `/profiles`, but neither `/profiles` itself nor `me`.
    NotMe,
    /// `me` of a subject that is no profile.
    Anonymous,
}

impl fmt::Display for PathRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAbsolute => "the path does not begin with a slash",
            Self::DotSegment => "the path holds a dot segment",
            Self::Separator => "the path hides a separator",
            Self::Parameter => "the path holds a path parameter",
            Self::Control => "the path holds a control character",
            Self::Encoding => "the path is not properly percent-encoded",
            Self::Confusable => "the path holds a character that normalises to a separator",
            Self::TooDeep => "the path is percent-encoded too often",
            Self::NotMe => "no profile but `me` can be asked for",
            Self::Anonymous => "the token speaks for no profile",
        })
    }
}

impl std::error::Error for PathRefusal {}
