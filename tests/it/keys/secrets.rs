//! HMAC secrets.

use super::*;

#[test]
fn weak_secrets_and_key_files_as_secrets_are_rejected() {
    assert_eq!(kind(SigningKey::hs256("")), ConfigErrorKind::WeakSecret);
    assert_eq!(
        kind(SigningKey::hs256([7; 31])),
        ConfigErrorKind::WeakSecret
    );
    assert!(SigningKey::hs256([7; 32]).is_ok());
    for &(pem, _) in PUBLIC.iter().chain(PRIVATE) {
        assert_eq!(kind(SigningKey::hs256(pem)), ConfigErrorKind::WeakSecret);
        assert_eq!(kind(VerifyingKey::hs512(pem)), ConfigErrorKind::WeakSecret);
    }
}

/// Whether every constructor and conversion rejects this secret.
fn refused_as_a_secret(secret: &[u8]) -> bool {
    // Long enough for each algorithm.
    let results = [
        SigningKey::hs256(secret).map(drop),
        VerifyingKey::hs256(secret).map(drop),
        SigningKey::hs384(secret).map(drop),
        VerifyingKey::hs384(secret).map(drop),
        SigningKey::hs512(secret).map(drop),
        VerifyingKey::hs512(secret).map(drop),
    ];
    results
        .into_iter()
        .all(|result| result.is_err_and(|error| error.kind() == ConfigErrorKind::WeakSecret))
}

#[test]
fn a_key_file_in_any_encoding_is_rejected_as_an_hmac_secret() {
    let files: &[&[u8]] = &[
        key!("ed25519"),
        key!("ed25519.pub"),
        key!("ed448"),
        key!("encrypted"),
        key!("p256"),
        key!("p256.pub"),
        key!("p256.sec1"),
        key!("p384"),
        key!("p521"),
        key!("rsa1024"),
        key!("rsa2048"),
        key!("rsa2048.pub"),
        key!("rsa2048.pkcs1"),
        key!("rsa2048.pkcs1.pub"),
        CERTIFICATE.as_bytes(),
    ];
    for pem in files {
        let text = std::str::from_utf8(pem).unwrap();
        // `p256.sec1` has a block with the curve before the key.
        let block = text.rfind("-----BEGIN").map(|at| &text[at..]).unwrap();
        let der = der(block.as_bytes());
        assert!(refused_as_a_secret(pem), "{text}");
        assert!(refused_as_a_secret(&der), "{text}");
        // Readers of files often trim white space at the end, and editors add it.
        assert!(refused_as_a_secret(&[&der[..], b"\r\n"].concat()), "{text}");
        assert!(refused_as_a_secret(&der[..der.len() - 2]), "{text}");
        // The encodings of files in environment variables and Kubernetes secrets.
        let base64 = STANDARD.encode(&der);
        assert!(refused_as_a_secret(base64.as_bytes()), "{text}");
        assert!(refused_as_a_secret(base64.trim_end_matches('=').as_bytes()));
        let wrapped: Vec<&str> = (base64.as_bytes().chunks(64))
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        assert!(refused_as_a_secret(wrapped.join("\n").as_bytes()), "{text}");
        assert!(
            refused_as_a_secret(STANDARD.encode(pem).as_bytes()),
            "{text}"
        );
    }
    let jwk = jwk(VerifyingKey::from_pem(key!("ed25519.pub")).unwrap());
    for json in [
        jwk.to_string(),
        json!({ "keys": [jwk] }).to_string(),
        serde_json::to_string_pretty(&jwk).unwrap(),
        format!("\u{feff} {jwk}\n"),
        json!({ "kty": "oct", "k": STANDARD.encode([7; 64]) }).to_string(),
        json!([jwk]).to_string(),
        STANDARD.encode(jwk.to_string()),
    ] {
        assert!(refused_as_a_secret(json.as_bytes()), "{json}");
    }
    for ssh in [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGk1L1FmT2x0U2R1bW15ZHVtbXlkdW1teWR1bW15 ada@example",
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGR1bW15ZHVtbXk=",
        "---- BEGIN SSH2 PUBLIC KEY ----\nComment: \"rsa-key\"\nAAAAB3NzaC1yc2EAAAABJQ==\n---- END SSH2 PUBLIC KEY ----",
    ] {
        assert!(refused_as_a_secret(ssh.as_bytes()), "{ssh}");
    }
}

#[test]
fn a_text_file_is_rejected_as_an_hmac_secret() {
    let readme = include_str!("../../../README.md");
    let crlf = readme.replace('\n', "\r\n");
    let env =
        "OMNEO_ID_SIGNING_KEY=0123456789abcdef0123456789abcdef\nOMNEO_ID_LOG=info and more text\n";
    for text in [readme, readme.trim(), &crlf, env] {
        assert!(refused_as_a_secret(text.as_bytes()), "{text}");
    }
    // `openssl rand -base64 64` and `xxd -p` wrap their lines.
    let lines = "q83vEjRWeJq83vEjRWeJqw/+q83vEjRWeJq83vEjRWeJqw/+q83vEjRWeJq83vEj\nRWeJqw/+q83vEjRWeJq83w==";
    let hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab\n0123456789abcdef0123456789abcdef";
    let url = "q83vEjRWeJq83vEjRWeJqw_-q83vEjRWeJq83vEjRWeJqw_-q83vEjRWeJq83vEj\r\nRWeJqw_-q83vEjRWeJq83w\r\n";
    for secret in [lines, hex, url] {
        assert!(SigningKey::hs256(secret).is_ok(), "{secret}");
        assert!(VerifyingKey::hs512(secret).is_ok(), "{secret}");
    }
}

/// Deterministic pseudo-random bytes.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

#[test]
fn random_secrets_that_start_like_a_key_file_are_accepted() {
    for seed in 0..2000 {
        for len in [32, 48, 64, 100] {
            let mut secret = noise(seed, len);
            assert!(SigningKey::hs256(&secret).is_ok(), "{secret:?}");
            // The first two bytes of a DER document of this length.
            secret[..2].copy_from_slice(&[0x30, len as u8 - 2]);
            assert!(SigningKey::hs256(&secret).is_ok(), "{secret:?}");
            assert!(SigningKey::hs256(STANDARD.encode(&secret)).is_ok());
        }
    }
    for secret in [
        "{\"kty\": not JSON, but long enough to be a secret",
        "-----------------------------------------------",
        "ssh-is-only-a-word-here-0123456789abcdef",
        "[0123456789abcdef0123456789abcdef",
    ] {
        assert!(SigningKey::hs256(secret).is_ok(), "{secret}");
    }
}

#[cfg(feature = "tracing")]
#[test]
fn a_readable_secret_logs_a_warning_and_a_random_one_does_not() {
    let (log, _guard) = crate::support::logs::Log::capture();
    let warned = |secret: &[u8]| {
        let before = log.text().matches("WARN").count();
        let _ = Keyring::new(SigningKey::hs256(secret).unwrap());
        log.text().matches("WARN").count() - before
    };
    for words in [
        SECRET,
        "correct horse battery staple and other words",
        "my-super-secret-signing-key-for-production",
        "MySuperSecretSigningKeyForProduction",
        "MY_SUPER_SECRET_SIGNING_KEY_FOR_PRODUCTION",
        "thisisaverylongsecretkeyforproduction",
        "changeme changeme changeme changeme 1",
        "ein-geheimer-schl\u{fc}ssel-f\u{fc}r-die-produktion\n",
    ] {
        assert_eq!(warned(words.as_bytes()), 1, "{words}");
    }
    assert!(log.text().contains("openssl rand"), "{}", log.text());
    for seed in 0..500 {
        let noise = noise(seed, 48);
        let hex: String = noise.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(warned(&noise), 0, "{noise:?}");
        assert_eq!(warned(hex.as_bytes()), 0, "{hex}");
        assert_eq!(warned(hex.to_uppercase().as_bytes()), 0, "{hex}");
        let base64 = STANDARD.encode(&noise);
        assert_eq!(warned(base64.as_bytes()), 0, "{base64}");
    }
    for secret in [
        "3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "xK8#mP2$vL9@qR4!tY7%wB3^nH6&jD1*",
    ] {
        assert_eq!(warned(secret.as_bytes()), 0, "{secret}");
    }
    // One warning for each key, with its key id, at its first use.
    let before = log.text().matches("WARN").count();
    let words = |name| {
        let words = VerifyingKey::hs256(SECRET).unwrap();
        words.with_key_id(name).unwrap()
    };
    let first = words("of-2025");
    let ring = Keyring::new(SigningKey::hs256([7; 32]).unwrap());
    ring.add_verifying_key(first.clone()).unwrap();
    assert_eq!(log.text().matches("WARN").count(), before + 1);
    ring.replace(KeySet::verifying_only([first, words("of-2026")]).unwrap());
    assert_eq!(log.text().matches("WARN").count(), before + 2);
    assert!(log.text().contains("of-2025") && log.text().contains("of-2026"));
}

/// RFC 7518 §3.2: "A key of the same size as the hash output (for instance, 256 bits for "HS256")
/// or larger MUST be used with this algorithm."
#[test]
fn a_secret_is_at_least_as_long_as_the_hash() {
    let secret = [7; 64];
    for (algorithm, least) in [
        (Algorithm::HS256, 32),
        (Algorithm::HS384, 48),
        (Algorithm::HS512, 64),
    ] {
        let make = |secret: &[u8]| match algorithm {
            Algorithm::HS256 => (SigningKey::hs256(secret), VerifyingKey::hs256(secret)),
            Algorithm::HS384 => (SigningKey::hs384(secret), VerifyingKey::hs384(secret)),
            _ => (SigningKey::hs512(secret), VerifyingKey::hs512(secret)),
        };
        let (signing, verifying) = make(&secret[..least]);
        assert_eq!(signing.unwrap().algorithm(), algorithm);
        assert_eq!(verifying.unwrap().algorithm(), algorithm);
        let (signing, verifying) = make(&secret[..least - 1]);
        assert_eq!(kind(signing), ConfigErrorKind::WeakSecret, "{algorithm}");
        assert_eq!(kind(verifying), ConfigErrorKind::WeakSecret, "{algorithm}");
    }
    // A change of the algorithm checks the length too.
    let short = SigningKey::hs256(&secret[..32]).unwrap();
    let longer = short.with_algorithm(Algorithm::HS512);
    assert_eq!(kind(longer), ConfigErrorKind::WeakSecret);
    let long = SigningKey::hs512(secret).unwrap();
    assert!(long.with_algorithm(Algorithm::HS256).is_ok());
}
