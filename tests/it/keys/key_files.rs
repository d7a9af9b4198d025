//! Keys from PEM and DER.

use super::*;

#[test]
fn a_key_file_determines_the_algorithm() {
    for &(pem, algorithm) in PRIVATE {
        assert_eq!(SigningKey::from_pem(pem).unwrap().algorithm(), algorithm);
    }
    for &(pem, algorithm) in PUBLIC {
        assert_eq!(VerifyingKey::from_pem(pem).unwrap().algorithm(), algorithm);
    }
}

#[test]
fn the_derived_public_key_is_the_one_that_openssl_derives() {
    for (private, public) in [
        (key!("ed25519"), key!("ed25519.pub")),
        (key!("p256"), key!("p256.pub")),
        (key!("p256.sec1"), key!("p256.pub")),
        (key!("p384"), key!("p384.pub")),
        (key!("rsa2048"), key!("rsa2048.pub")),
        (key!("rsa2048.pkcs1"), key!("rsa2048.pkcs1.pub")),
    ] {
        let derived = SigningKey::from_pem(private).unwrap().verifying_key();
        let read = VerifyingKey::from_pem(public).unwrap();
        assert_eq!(jwk(derived), jwk(read));
    }
}

#[test]
fn an_rsa_key_signs_with_the_configured_rsa_algorithm_only() {
    let rsa = SigningKey::from_pem(key!("rsa2048")).unwrap();
    for algorithm in [
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
    ] {
        let key = rsa.clone().with_algorithm(algorithm).unwrap();
        assert_eq!(key.verifying_key().algorithm(), algorithm);
    }
    for algorithm in [Algorithm::HS256, Algorithm::ES256, Algorithm::EdDSA] {
        let refused = rsa.clone().with_algorithm(algorithm);
        assert_eq!(kind(refused), ConfigErrorKind::InvalidKey);
    }
    let p256 = SigningKey::from_pem(key!("p256")).unwrap();
    assert_eq!(
        kind(p256.with_algorithm(Algorithm::ES384)),
        ConfigErrorKind::InvalidKey
    );
}

#[test]
fn unusable_key_files_are_rejected_with_a_reason() {
    for pem in [
        key!("rsa1024"),
        key!("p521"),
        key!("ed448"),
        key!("encrypted"),
        key!("rsa2048.pub"),
        b"",
        b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        &[key!("p256"), key!("p384")].concat(),
    ] {
        assert_eq!(kind(SigningKey::from_pem(pem)), ConfigErrorKind::InvalidKey);
    }
    assert_eq!(
        kind(VerifyingKey::from_pem(key!("p256"))),
        ConfigErrorKind::InvalidKey
    );
    let weak = SigningKey::from_pem(key!("rsa1024")).unwrap_err();
    assert!(weak.to_string().contains("2048"), "{weak}");
    let encrypted = SigningKey::from_pem(key!("encrypted")).unwrap_err();
    assert!(encrypted.to_string().contains("encrypted"), "{encrypted}");
}

#[test]
fn truncated_and_altered_key_files_do_not_panic() {
    for &(pem, _) in PRIVATE {
        let der = der(pem);
        assert!(SigningKey::from_der(&der).is_ok());
        for len in 0..der.len().min(160) {
            assert!(SigningKey::from_der(&der[..len]).is_err());
            let mut altered = der.clone();
            altered[len] ^= 0x80;
            let _ = SigningKey::from_der(&altered);
        }
    }
}
