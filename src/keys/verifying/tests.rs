//! Project Wycheproof's vectors: signatures that other implementations verified wrongly.

use super::*;

const VECTORS: &str = include_str!("../../../tests/data/wycheproof.txt");

/// The number of vectors of a set by result.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    accepted: usize,
    rejected: usize,
    /// Valid signatures that JWS does not allow: the key is too small, a MAC is truncated, or the
    /// salt is not as long as the hash.
    not_for_jws: usize,
}

fn decode(field: &str) -> Vec<u8> {
    let field = if field == "-" { "" } else { field };
    URL_SAFE_NO_PAD.decode(field).unwrap()
}

fn key(algorithm: Algorithm, bytes: &[u8]) -> Result<VerifyingKey, ConfigError> {
    match algorithm.family() {
        Family::Hmac => VerifyingKey::from_secret(algorithm, bytes),
        _ => VerifyingKey::from_der(bytes)?.with_algorithm(algorithm),
    }
}

/// Runs the set of this name, and panics at the first wrong result.
fn run(file: &str) -> Tally {
    let (algorithm, lines) = (VECTORS.split("\nset ").skip(1))
        .filter_map(|set| set.split_once('\n'))
        .find_map(|(title, lines)| Some((title.strip_suffix(file)?.trim_end(), lines)))
        .unwrap();
    let algorithm = Algorithm::from_name(algorithm).unwrap();
    let mut tally = Tally::default();
    let mut current = None;
    for line in lines.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [verdict, id, message, signature] = fields[..] else {
            current = Some(key(algorithm, &decode(fields[1])));
            continue;
        };
        let signature = decode(signature);
        let current = current.as_ref().unwrap();
        let verified = (current.as_ref()).is_ok_and(|key| key.verify(&decode(message), &signature));
        let truncated = algorithm.signature_len() == Some(2 * signature.len());
        let exempt = current.is_err() || truncated || file == UNSALTED;
        match (verdict, verified) {
            ("valid", true) if !exempt => tally.accepted += 1,
            ("valid", false) if exempt => tally.not_for_jws += 1,
            // The vector whose salt has the length that JWS requires.
            ("invalid", true) if file == UNSALTED && id == "69" => tally.accepted += 1,
            // "Acceptable" marks encodings that RFC 8017 does not define but some software accepts.
            ("invalid" | "acceptable", false) => tally.rejected += 1,
            _ => panic!("{file} {id}: {verdict}, and verified is {verified}"),
        }
    }
    tally
}

/// RFC 7518 §3.5: "The size of the salt value is the same size as the hash function output." These
/// vectors have no salt.
const UNSALTED: &str = "rsa_pss_2048_sha256_mgf1_0_test";

#[test]
fn wycheproof_vectors_are_verified_correctly() {
    // Accepted, rejected, and valid but not for JWS: each vector is counted.
    for (file, accepted, rejected, not_for_jws) in [
        // Keys shorter than the hash are rejected, and so are truncated MACs.
        ("hmac_sha256_test", 30, 108, 36),
        ("hmac_sha384_test", 30, 108, 36),
        ("hmac_sha512_test", 30, 108, 36),
        ("ecdsa_secp256r1_sha256_p1363_test", 173, 89, 0),
        ("ecdsa_secp384r1_sha384_p1363_test", 193, 87, 0),
        ("ed25519_test", 88, 63, 0),
        ("rsa_signature_2048_sha256_test", 9, 250, 0),
        ("rsa_signature_2048_sha384_test", 7, 251, 0),
        ("rsa_signature_2048_sha512_test", 8, 251, 0),
        ("rsa_pss_2048_sha256_mgf1_32_test", 63, 45, 0),
        (UNSALTED, 1, 41, 61),
        ("rsa_pss_2048_sha384_mgf1_48_test", 95, 46, 0),
        ("rsa_pss_4096_sha512_mgf1_64_test", 132, 47, 0),
    ] {
        let tally = Tally {
            accepted,
            rejected,
            not_for_jws,
        };
        assert_eq!(run(file), tally, "{file}");
    }
}
