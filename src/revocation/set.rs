//! The rules of the set: which tokens an entry ends, without a clock and without a store.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::table::{Entry, Full, Name, Table};
use super::{Revocation, RevokeErrorKind};
use crate::identity::{Claims, ProfileId, Subject};

/// The longest leeway of a verifier, in seconds.
pub(super) const MAX_LEEWAY: u64 = 60;
/// The longest lifetime that a verifier accepts by default, in seconds.
const DEFAULT_MAX_LIFETIME: u64 = 24 * 60 * 60;
/// How many tokens of one profile are ended one by one within a token lifetime: enough for a client
/// that rotates its token every 15 seconds, while tokens live an hour. A further one ends the older
/// tokens of the profile, too, so that one profile cannot fill the set.
const MAX_ENDED_TOKENS: u32 = 256;

pub(super) struct Set {
    table: Table,
    /// Tokens of any subject with an earlier `iat` are ended.
    all_valid_from: AtomicU64,
    minted_ahead: Mutex<MintedAhead>,
    /// Incremented after each change that ends tokens.
    version: AtomicU64,
    /// How long an entry is kept whose tokens have an unknown expiry, in seconds.
    retention: AtomicU64,
    rejected: AtomicU64,
}

/// The latest `iat` of the tokens that were minted while the clock was before it. A token is minted
/// ahead if its subject has an entry of the same second.
#[derive(Default)]
struct MintedAhead {
    /// By a revocation of all tokens.
    of_all: u64,
    /// By any revocation.
    latest: u64,
}

impl Set {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            table: Table::new(capacity),
            all_valid_from: AtomicU64::new(0),
            minted_ahead: Mutex::default(),
            version: AtomicU64::new(0),
            retention: AtomicU64::new(retention(DEFAULT_MAX_LIFETIME)),
            rejected: AtomicU64::new(0),
        }
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(super) fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    pub(super) fn extend_retention(&self, max_lifetime: u64) {
        let retention = retention(max_lifetime);
        self.retention.fetch_max(retention, Ordering::Relaxed);
    }

    pub(super) fn is_revoked(&self, token: &Claims) -> bool {
        let issued_at = token.issued_at.unwrap_or(0);
        if issued_at < self.all_valid_from.load(Ordering::Acquire) {
            return true;
        }
        if self.table.len() == 0 {
            return false;
        }
        let is_profile_ended = |profile: &ProfileId| issued_at < self.profile(profile).valid_from;
        let is_token_ended = |id: &str| self.table.get(&Name::Token(id)).is_some();
        token.subject.profile().is_some_and(is_profile_ended)
            || token.token_id.as_deref().is_some_and(is_token_ended)
    }

    /// The first second of an `iat` that is not ended, or `now` if that is later.
    pub(super) fn issue_at(&self, subject: &Subject, now: u64) -> u64 {
        let mut issued_at = now;
        if self.all_valid_from.load(Ordering::Acquire) > now {
            let mut minted_ahead = self.minted_ahead();
            issued_at = self.all_valid_from.load(Ordering::Acquire);
            minted_ahead.of_all = issued_at.max(minted_ahead.of_all);
            minted_ahead.latest = issued_at.max(minted_ahead.latest);
        }
        let Some(profile) = subject.profile() else {
            return issued_at;
        };
        let valid_from = self.profile(profile).valid_from;
        if valid_from <= issued_at {
            return issued_at;
        }
        let name = Name::Profile(profile);
        let mut minted_ahead = self.minted_ahead();
        let marked = self.table.update(&name, now, |entry| {
            entry.minted_ahead = true;
            entry.valid_from
        });
        let issued_at = marked.unwrap_or(valid_from).max(issued_at);
        minted_ahead.latest = issued_at.max(minted_ahead.latest);
        issued_at
    }

    /// The revocation of one token.
    pub(super) fn end_token(
        &self,
        token: &Claims,
        now: u64,
    ) -> Result<Revocation, RevokeErrorKind> {
        let issued_at = token.issued_at.unwrap_or(0);
        let expires_at = token.expires_at.saturating_add(MAX_LEEWAY);
        let (token_id, profile) = match (&token.token_id, token.subject.profile()) {
            (None, None) => return Err(RevokeErrorKind::NoTokenId),
            (None, Some(profile)) => return Ok(self.end_until(profile, issued_at, now)),
            (Some(token_id), profile) => (token_id, profile),
        };
        if let Some(profile) = profile {
            // A repetition, after the store has failed, does not count again.
            let is_new = self.table.get(&Name::Token(token_id)).is_none();
            let lifetime = token
                .expires_at
                .saturating_sub(token.issued_at.unwrap_or(now));
            let ended = self.update(&Name::Profile(profile), now, |entry| {
                if entry.counted_until <= now {
                    entry.ended_tokens = 0;
                    entry.latest_ended = 0;
                    entry.counted_until = now.saturating_add(lifetime);
                }
                entry.ended_tokens = entry.ended_tokens.saturating_add(is_new.into());
                entry.latest_ended = entry.latest_ended.max(issued_at);
                let expires_at = expires_at.max(entry.counted_until);
                entry.expires_at = entry.expires_at.max(expires_at);
                *entry
            })?;
            if ended.ended_tokens > MAX_ENDED_TOKENS {
                return Ok(self.end_until(profile, ended.latest_ended, now));
            }
        }
        Ok(Revocation::Token {
            token_id: token_id.clone(),
            expires_at,
        })
    }

    /// The revocation of the token with this id.
    pub(super) fn end_token_id(&self, token_id: &str, now: u64) -> Revocation {
        Revocation::Token {
            token_id: token_id.into(),
            expires_at: self.expires_at(now),
        }
    }

    /// The revocation of all tokens of a profile that were issued up to now.
    pub(super) fn end_profile(&self, profile: &ProfileId, now: u64) -> Revocation {
        let entry = self.profile(profile);
        let mut latest = now.max(self.minted_ahead().of_all);
        if entry.minted_ahead {
            latest = latest.max(entry.valid_from);
        }
        self.end_until(profile, latest, now)
    }

    /// The revocation of all tokens that were issued up to now.
    pub(super) fn end_all(&self, now: u64) -> Revocation {
        let latest = self.minted_ahead().latest;
        // A `latest` far in the future means that the clock was set back since. If it were used,
        // new tokens would be invalid until the clock reaches it.
        let is_near = latest <= now.saturating_add(MAX_LEEWAY);
        let issued_until = if is_near { now.max(latest) } else { now };
        Revocation::All {
            issued_until,
            expires_at: self.expires_at(issued_until),
        }
    }

    /// Ends the tokens of a revocation. An expired revocation has no effect.
    pub(super) fn apply(&self, revocation: &Revocation, now: u64) -> Result<(), RevokeErrorKind> {
        if revocation.expires_at() <= now {
            return Ok(());
        }
        let ends_more = match revocation {
            Revocation::Token {
                token_id,
                expires_at,
            } => {
                let name = Name::Token(token_id);
                match self.table.get(&name) {
                    Some(entry) if entry.expires_at >= *expires_at => false,
                    _ => self.update(&name, now, |entry| {
                        entry.expires_at = *expires_at;
                        true
                    })?,
                }
            }
            Revocation::Profile {
                profile,
                issued_until,
                expires_at,
            } => {
                let name = Name::Profile(profile);
                let valid_from = issued_until.saturating_add(1);
                match self.table.get(&name) {
                    Some(entry) if entry.covers(valid_from, *expires_at) => false,
                    _ => self.update(&name, now, |entry| {
                        entry.expires_at = entry.expires_at.max(*expires_at);
                        entry.raise(valid_from)
                    })?,
                }
            }
            Revocation::All { issued_until, .. } => {
                let valid_from = issued_until.saturating_add(1);
                // With the lock, so that no token is minted with the previous value meanwhile.
                let _minted_ahead = self.minted_ahead();
                let before = self.all_valid_from.fetch_max(valid_from, Ordering::AcqRel);
                before < valid_from
            }
        };
        if ends_more {
            self.version.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }

    fn end_until(&self, profile: &ProfileId, issued_until: u64, now: u64) -> Revocation {
        Revocation::Profile {
            profile: profile.clone(),
            issued_until,
            expires_at: self.expires_at(issued_until.max(now)),
        }
    }

    /// The second from which on no token that was issued until `issued_until` can be valid.
    fn expires_at(&self, issued_until: u64) -> u64 {
        issued_until.saturating_add(self.retention.load(Ordering::Relaxed))
    }

    fn profile(&self, profile: &ProfileId) -> Entry {
        let entry = self.table.get(&Name::Profile(profile));
        entry.unwrap_or_default()
    }

    fn minted_ahead(&self) -> MutexGuard<'_, MintedAhead> {
        let mutex = &self.minted_ahead;
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update<T>(
        &self,
        name: &Name<'_>,
        now: u64,
        change: impl FnOnce(&mut Entry) -> T,
    ) -> Result<T, RevokeErrorKind> {
        self.table.update(name, now, change).map_err(|Full| {
            self.rejected.fetch_add(1, Ordering::Relaxed);
            RevokeErrorKind::Full
        })
    }
}

impl Entry {
    fn covers(&self, valid_from: u64, expires_at: u64) -> bool {
        self.valid_from >= valid_from && self.expires_at >= expires_at
    }

    /// Ends the tokens before `valid_from`, and returns whether that ends more than before.
    fn raise(&mut self, valid_from: u64) -> bool {
        let raises = self.valid_from < valid_from;
        if raises {
            self.valid_from = valid_from;
            self.minted_ahead = false;
        }
        raises
    }
}

/// An `iat` may be in the future by the leeway, and `exp` in the past by it.
fn retention(max_lifetime: u64) -> u64 {
    max_lifetime.saturating_add(2 * MAX_LEEWAY)
}
