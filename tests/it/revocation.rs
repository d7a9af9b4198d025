//! The set of ended tokens, with verifier and issuer, through the public API.

#[cfg(feature = "redis")]
mod redis;
mod sessions;
mod set;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use omneo_id::auth::VerifyErrorKind;
use omneo_id::{Keyring, ProfileId, Revocations, SigningKey, Subject, TokenIssuer, TokenVerifier};

const SECRET: &str = "a secret of more than thirty-two bytes";
const NOW: u64 = 1_700_000_000;
const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// Issuer and verifier of one process, with a clock that the test sets.
#[derive(Clone)]
struct Process {
    time: Arc<AtomicU64>,
    revocations: Revocations,
    issuer: TokenIssuer,
    verifier: TokenVerifier,
}

impl Process {
    fn new() -> Self {
        Self::with(|revocations| revocations)
    }

    fn with(edit: impl FnOnce(Revocations) -> Revocations) -> Self {
        crate::support::logs::watch();
        let time = Arc::new(AtomicU64::new(NOW));
        let clock = || {
            let time = Arc::clone(&time);
            move || time.load(Ordering::Relaxed)
        };
        let ring = Keyring::new(SigningKey::hs256(SECRET).unwrap());
        let revocations = edit(Revocations::new().with_clock(clock()));
        Self {
            issuer: TokenIssuer::new(ring.clone())
                .with_clock(clock())
                .with_revocations(revocations.clone()),
            verifier: TokenVerifier::new(ring)
                .with_clock(clock())
                .with_revocations(revocations.clone()),
            revocations,
            time,
        }
    }

    fn set_time(&self, time: u64) {
        self.time.store(time, Ordering::Relaxed);
    }

    fn mint(&self, subject: &Subject) -> String {
        self.issuer.issue(subject).unwrap().into_token()
    }

    async fn end_all_of(&self, id: &str) {
        let ended = self.revocations.revoke_profile(&profile(id)).await;
        ended.unwrap();
    }

    /// Ends one token.
    async fn end(&self, token: &str) {
        let verified = self.verifier.verify(token).unwrap();
        let ended = self.revocations.revoke_token(verified.claims()).await;
        ended.unwrap();
    }

    fn check(&self, token: &str) -> Result<(), VerifyErrorKind> {
        let result = self.verifier.verify(token);
        result.map(drop).map_err(|error| error.kind())
    }

    #[track_caller]
    fn assert_valid(&self, token: &str) {
        assert_eq!(self.check(token), Ok(()));
    }

    #[track_caller]
    fn assert_revoked(&self, token: &str) {
        assert_eq!(self.check(token), Err(VerifyErrorKind::Revoked));
    }
}

/// A token with these claims, such as another issuer may have signed it.
fn sign(claims: &str) -> String {
    crate::auth::sign_with(SECRET.as_bytes(), r#"{"alg":"HS256"}"#, claims.as_bytes())
}

fn profile(id: &str) -> ProfileId {
    id.parse().unwrap()
}

fn ada() -> Subject {
    Subject::Profile(profile("ada"))
}

fn grace() -> Subject {
    Subject::Profile(profile("grace"))
}
