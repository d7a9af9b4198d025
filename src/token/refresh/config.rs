use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::{ConfigError, ConfigErrorKind};
use crate::identity::Claims;

/// How ID tokens are refreshed.
///
/// ```
/// use std::time::Duration;
///
/// use omneo_id::token::Refresh;
///
/// let refresh = Refresh::new(Duration::from_secs(12 * 60 * 60))?.rotate();
/// assert!(Refresh::new(Duration::ZERO).is_err());
/// # Ok::<(), omneo_id::error::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// In seconds.
    max_session_age: u64,
    pub(super) previous: Previous,
}

/// What a refresh does with the previous token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Previous {
    Keep,
    End,
}

/// The accepted ages, in seconds. 400 days is the longest lifetime of a cookie in browsers.
const AGES: RangeInclusive<u64> = 1..=400 * 24 * 60 * 60;

impl Refresh {
    /// Refreshes tokens until their session has this age, in whole seconds from 1 second to 400
    /// days. No refreshed token outlives its session.
    ///
    /// A session begins with the first token: at its claim `auth_time`, or else its `iat`.
    /// Refreshed tokens have that time as `auth_time`.
    ///
    /// # Errors
    /// If the age has a fraction of a second, or is out of range.
    pub fn new(max_session_age: Duration) -> Result<Self, ConfigError> {
        let seconds = max_session_age.as_secs();
        if max_session_age.subsec_nanos() != 0 || !AGES.contains(&seconds) {
            return Err(ConfigError::new(
                ConfigErrorKind::InvalidDuration,
                "the longest age of a session is 1 second to 400 days, in whole seconds",
            ));
        }
        Ok(Self {
            max_session_age: seconds,
            previous: Previous::Keep,
        })
    }

    /// Ends the previous token when it is refreshed, so that a copy of it is invalid.
    ///
    /// A token can then be refreshed once. If the tabs of a browser refresh one token at the same
    /// time, usually one tab receives a new token and the others receive a 401. The others have to
    /// use the new token of the first: keep the token in `localStorage`, refresh it under a lock
    /// (`navigator.locks`), and read it again before a refresh and after a 401. Concurrent requests
    /// may each receive a token, and so may requests to two processes before these have exchanged
    /// the revocation.
    ///
    /// Default is to keep the previous token valid until its `exp`.
    #[must_use]
    pub fn rotate(mut self) -> Self {
        self.previous = Previous::End;
        self
    }

    /// The session of a token; `None` if the token has neither `auth_time` nor `iat`.
    pub(super) fn session(&self, token: &Claims, now: u64) -> Option<Session> {
        let started_at = token.auth_time.or(token.issued_at)?;
        // A start after `iat`, or in the future, would prolong the session.
        let started_at = started_at.min(token.issued_at.unwrap_or(now)).min(now);
        Some(Session {
            started_at,
            ends_at: started_at.saturating_add(self.max_session_age),
        })
    }
}

/// A session: the tokens that descend from one login by refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) started_at: u64,
    /// The first second after the session.
    pub(super) ends_at: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Subject;

    #[test]
    fn ages_are_bounded() {
        let day = 24 * 60 * 60;
        for (seconds, nanos, expected) in [
            (0, 0, false),
            (0, 999, false),
            (1, 0, true),
            (1, 1, false),
            (400 * day, 0, true),
            (400 * day + 1, 0, false),
            (u64::MAX, 0, false),
        ] {
            let age = Duration::new(seconds, nanos);
            assert_eq!(Refresh::new(age).is_ok(), expected, "{age:?}");
        }
    }

    #[test]
    fn a_session_starts_at_the_earliest_time_of_its_token() {
        let refresh = Refresh::new(Duration::from_secs(100)).unwrap();
        for (auth_time, issued_at, now, start) in [
            (None, None, 1000, None),
            (None, Some(900), 1000, Some(900)),
            (Some(800), Some(900), 1000, Some(800)),
            (Some(800), None, 1000, Some(800)),
            // After `iat`, or in the future.
            (Some(950), Some(900), 1000, Some(900)),
            (Some(9000), None, 1000, Some(1000)),
            (None, Some(1003), 1000, Some(1000)),
            (Some(0), Some(900), 1000, Some(0)),
        ] {
            let mut token = Claims::new(Subject::Anonymous, 2000);
            (token.auth_time, token.issued_at) = (auth_time, issued_at);
            let session = refresh.session(&token, now);
            let expected = start.map(|started_at| Session {
                started_at,
                ends_at: started_at + 100,
            });
            assert_eq!(session, expected, "{auth_time:?} {issued_at:?}");
        }
    }
}
