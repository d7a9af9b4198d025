//! The token cache and invalid configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use omneo_id::auth::VerifyErrorKind;
use omneo_id::error::ConfigErrorKind;
use omneo_id::{JwtAuthLayer, TokenVerifier};

use super::super::{NOW, kind, ring, token, verifier};

#[test]
fn a_cached_token_expires() {
    let now = Arc::new(AtomicU64::new(NOW));
    let clock = Arc::clone(&now);
    let verifier = TokenVerifier::new(ring()).with_clock(move || clock.load(Ordering::Relaxed));
    let token = token();
    assert!(verifier.verify(&token).is_ok());
    assert!(verifier.verify(&token).is_ok());
    now.store(NOW + 3605, Ordering::Relaxed);
    assert_eq!(kind(verifier.verify(&token)), VerifyErrorKind::Expired);
    now.store(NOW - 6, Ordering::Relaxed);
    assert_eq!(kind(verifier.verify(&token)), VerifyErrorKind::NotYetValid);
    now.store(NOW, Ordering::Relaxed);
    assert!(verifier.verify(&token).is_ok());
}

#[test]
fn a_cached_token_is_not_valid_for_another_configuration() {
    let loose = verifier();
    let token = token();
    assert!(loose.verify(&token).is_ok());
    let strict = loose.with_issuer("https://id.example").unwrap();
    assert_eq!(kind(strict.verify(&token)), VerifyErrorKind::Issuer);
}

#[test]
fn invalid_configuration_is_an_error_of_the_builder() {
    let kind = |result: Result<_, omneo_id::error::ConfigError>| {
        result.map(drop::<TokenVerifier>).unwrap_err().kind()
    };
    let seconds = Duration::from_secs;
    assert_eq!(
        kind(verifier().with_leeway(seconds(61))),
        ConfigErrorKind::InvalidDuration
    );
    assert_eq!(
        kind(verifier().with_leeway(Duration::MAX)),
        ConfigErrorKind::InvalidDuration
    );
    assert_eq!(
        kind(verifier().with_max_lifetime(seconds(0))),
        ConfigErrorKind::InvalidDuration
    );
    assert_eq!(
        kind(verifier().with_issuer("")),
        ConfigErrorKind::InvalidValue
    );
    assert_eq!(
        kind(verifier().with_audience("")),
        ConfigErrorKind::InvalidValue
    );
    for realm in ["", "a\"b", "a\\b", "a\r\nb", "ä"] {
        assert!(JwtAuthLayer::new(verifier()).with_realm(realm).is_err());
    }
    for name in ["", "a b", "a=b", "a&b", "a;b", "ä", "a%20b"] {
        assert!(JwtAuthLayer::new(verifier()).with_cookie(name).is_err());
        assert!(
            JwtAuthLayer::new(verifier())
                .with_query_parameter(name)
                .is_err()
        );
    }
}
