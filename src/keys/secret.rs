//! Rules for HMAC secrets.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::{Algorithm, der};
use crate::error::{ConfigError, ConfigErrorKind};

/// The shortest secret for HS256, in bytes: RFC 7518 §3.2 requires the size of the hash.
pub(super) const MIN_LEN: usize = 32;

/// Checks that a secret is long enough, and is not a key file or another text file by mistake.
pub(super) fn check(algorithm: Algorithm, secret: &[u8]) -> Result<(), ConfigError> {
    // RFC 7518 §3.2: "A key of the same size as the hash output […] or larger MUST be used".
    let min_len = algorithm.signature_len().unwrap_or(MIN_LEN);
    if secret.len() < min_len {
        return weak("an HMAC secret needs 32 bytes at least, 48 for HS384, 64 for HS512");
    }
    // A public key or a certificate is known to attackers, who could sign tokens with it.
    let decoded = from_base64(secret);
    if is_key_file(secret) || decoded.is_some_and(|content| is_key_file(&content)) {
        return weak("the HMAC secret is the content of a key file: use `from_pem` or `from_der`");
    }
    if is_text_file(secret) {
        return weak("the HMAC secret is a text of several lines, not a secret");
    }
    Ok(())
}

fn weak(why: &'static str) -> Result<(), ConfigError> {
    Err(ConfigError::new(ConfigErrorKind::WeakSecret, why))
}

/// Whether a secret looks like readable text: at least three fifths of it have the form of words.
/// In passphrases with separators and digits, more has that form; in random base64, much less.
pub(super) fn is_readable(secret: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(secret) else {
        return false;
    };
    let text = text.trim();
    let in_words: usize = words(text).filter(|word| is_word(word)).map(str::len).sum();
    !text.is_empty() && in_words * 5 >= text.len() * 3
}

/// The runs of letters. An upper case letter after a lower case one starts a new run.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let runs = text.split(|character: char| !character.is_alphabetic());
    runs.flat_map(|run| {
        let mut rest = run;
        std::iter::from_fn(move || {
            let mut was_lower = false;
            let end = rest.find(|letter: char| {
                let is_border = was_lower && letter.is_uppercase();
                was_lower = letter.is_lowercase();
                is_border
            });
            let (word, next) = rest.split_at(end.unwrap_or(rest.len()));
            rest = next;
            (!word.is_empty()).then_some(word)
        })
    })
}

/// Three letters or more, as `word`, `Word` or `WORD`, with a vowel and at most four consonants in
/// a row: few words have more.
fn is_word(run: &str) -> bool {
    let letters = run.chars().count();
    let upper = run
        .chars()
        .take_while(|letter| letter.is_uppercase())
        .count();
    letters >= 3
        && (upper <= 1 || upper == letters)
        && run.contains(is_vowel)
        && run.split(is_vowel).all(|consonants| consonants.len() < 5)
}

/// A letter outside ASCII counts as a vowel.
fn is_vowel(letter: char) -> bool {
    !letter.is_ascii() || "aeiouy".contains(letter.to_ascii_lowercase())
}

/// Whether this is a key or certificate in one of the usual encodings: PEM, DER, JWK, OpenSSH.
fn is_key_file(content: &[u8]) -> bool {
    contains(content, b"-----BEGIN")
        || der::is_document(content)
        || is_json(content)
        || is_ssh_key(content)
}

fn contains(content: &[u8], part: &[u8]) -> bool {
    content.windows(part.len()).any(|window| window == part)
}

fn is_json(content: &[u8]) -> bool {
    let content = content
        .strip_prefix("\u{feff}".as_bytes())
        .unwrap_or(content);
    let begins = matches!(content.trim_ascii_start().first(), Some(b'{' | b'['));
    begins && serde_json::from_slice::<IgnoredAny>(content).is_ok()
}

/// A line of `authorized_keys`: the kind of key, then base64 that starts with a 4-byte length.
fn is_ssh_key(content: &[u8]) -> bool {
    let kinds: [&[u8]; 3] = [b"ssh-", b"ecdsa-sha2-", b"sk-"];
    kinds.iter().any(|kind| content.starts_with(kind)) && contains(content, b" AAAA")
}

/// Printable text of several lines. Base64 and hexadecimal do not count, as tools wrap them.
fn is_text_file(content: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(content.trim_ascii()) else {
        return false;
    };
    let is_encoded = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=' | '\r' | '\n')
    };
    text.contains(['\r', '\n'])
        && text.chars().all(|c| !c.is_control() || c.is_whitespace())
        && !text.chars().all(is_encoded)
}

fn from_base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    // Allocated at full length: a vector that grows does not wipe its old allocation.
    let mut packed = Zeroizing::new(Vec::with_capacity(text.len()));
    packed.extend(text.iter().filter(|byte| !byte.is_ascii_whitespace()));
    let padding = packed
        .iter()
        .rev()
        .take_while(|&&byte| byte == b'=')
        .count();
    let digits = packed.get(..packed.len() - padding)?;
    STANDARD_NO_PAD.decode(digits).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readable_text_is_distinguished_from_random_text() {
        for readable in [
            "correct horse battery staple",
            "CorrectHorseBatteryStaple",
            "CORRECT_HORSE_BATTERY_STAPLE",
            "correct1horse2battery3staple4",
            "  geheimer schl\u{fc}ssel\n",
        ] {
            assert!(is_readable(readable.as_bytes()), "{readable}");
        }
        for noise in [
            "",
            "   ",
            "0123456789abcdef0123456789abcdef",
            "3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10",
            "q83vEjRWeJq83vEjRWeJqw/+q83vEjRWeJq83vEjRWeJqw",
            "bcdfghjklmnpqrstvwxzbcdfghjklmnp",
        ] {
            assert!(!is_readable(noise.as_bytes()), "{noise}");
        }
        assert!(!is_readable(b"correct horse battery\xff"));
    }

    #[test]
    fn only_whole_base64_is_decoded() {
        assert_eq!(from_base64(b"Zm9v").unwrap().as_slice(), b"foo");
        assert_eq!(from_base64(b"Zm 9v\r\nYg==\n").unwrap().as_slice(), b"foob");
        assert_eq!(from_base64(b"Zm9vYg").unwrap().as_slice(), b"foob");
        assert!(from_base64(b"Zm9v!").is_none());
        assert!(from_base64(b"Zm=9v").is_none());
    }
}
