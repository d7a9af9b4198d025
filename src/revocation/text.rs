//! The text form of a revocation, one line, for stores:
//!
//! | revocation | text |
//! | --- | --- |
//! | a token | `t <expires_at> <jti>` |
//! | a profile | `p <expires_at> <issued_until> <profile>` |
//! | all | `a <expires_at> <issued_until>` |

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use super::Revocation;

/// The text is not the text form of a [`Revocation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRevocation(());

/// The text form, which [`FromStr`] reads.
impl fmt::Display for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token {
                token_id,
                expires_at,
            } => write!(f, "t {expires_at} {token_id}"),
            Self::Profile {
                profile,
                issued_until,
                expires_at,
            } => write!(f, "p {expires_at} {issued_until} {profile}"),
            Self::All {
                issued_until,
                expires_at,
            } => write!(f, "a {expires_at} {issued_until}"),
        }
    }
}

impl FromStr for Revocation {
    type Err = InvalidRevocation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or(InvalidRevocation(()))
    }
}

fn parse(text: &str) -> Option<Revocation> {
    let (kind, fields) = text.split_once(' ')?;
    match kind {
        "t" => {
            // A `jti` may contain spaces.
            let (expires_at, token_id) = fields.split_once(' ')?;
            Some(Revocation::Token {
                token_id: token_id.into(),
                expires_at: seconds(expires_at)?,
            })
        }
        "p" => {
            let (expires_at, fields) = fields.split_once(' ')?;
            let (issued_until, profile) = fields.split_once(' ')?;
            Some(Revocation::Profile {
                profile: profile.parse().ok()?,
                issued_until: seconds(issued_until)?,
                expires_at: seconds(expires_at)?,
            })
        }
        "a" => {
            let (expires_at, issued_until) = fields.split_once(' ')?;
            Some(Revocation::All {
                issued_until: seconds(issued_until)?,
                expires_at: seconds(expires_at)?,
            })
        }
        _ => None,
    }
}

/// Decimal digits only: `u64::from_str` accepts a sign.
fn seconds(text: &str) -> Option<u64> {
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().ok(),
        false => None,
    }
}

impl fmt::Display for InvalidRevocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text is not the text form of a revocation")
    }
}

impl Error for InvalidRevocation {}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(token_id: &str) -> Revocation {
        Revocation::Token {
            token_id: token_id.into(),
            expires_at: 1_700_000_060,
        }
    }

    #[test]
    fn a_revocation_is_read_from_its_text() {
        let profile = Revocation::Profile {
            profile: "3f0c2f6e-6a57".parse().unwrap(),
            issued_until: 1_700_000_000,
            expires_at: u64::MAX,
        };
        let all = Revocation::All {
            issued_until: 0,
            expires_at: 1,
        };
        for (revocation, text) in [
            (token("abc"), "t 1700000060 abc"),
            (token("a b\nc é"), "t 1700000060 a b\nc é"),
            (token(""), "t 1700000060 "),
            (profile, "p 18446744073709551615 1700000000 3f0c2f6e-6a57"),
            (all, "a 1 0"),
        ] {
            assert_eq!(revocation.to_string(), text);
            assert_eq!(text.parse(), Ok(revocation));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "t",
            "t ",
            "t 1",
            "t x y",
            "t +1 y",
            "t -1 y",
            "t  1 y",
            "t 18446744073709551616 y",
            "p 1 2",
            "p 1 2 ../admin",
            "p 1 2 a b",
            "p 1 x a",
            "a 1",
            "a 1 2 3",
            "a 1 ",
            "A 1 2",
            "z 1 2",
            " t 1 y",
        ] {
            let parsed: Result<Revocation, _> = text.parse();
            // An empty number has no digits.
            assert_eq!(parsed, Err(InvalidRevocation(())), "{text:?}");
        }
    }
}
