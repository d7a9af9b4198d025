//! Normalizes e-mail addresses for comparison and storage.

use email_address::{EmailAddress, Options};
use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;

use super::invisible::is_invisible;

/// RFC 5321 §4.5.3.1.3: a path has at most 256 octets, including its two angle brackets.
const MAX_LENGTH: usize = 254;

/// Normalizes an address: trims it, converts the local part to Unicode NFC with ASCII letters in
/// lower case, and the domain to A-labels (`xn--…`). `None` if the address is invalid.
///
/// Only the ASCII letters of a local part are folded. The folding of other letters (`İ`, `ſ`)
/// depends on the language and the implementation, and could merge the addresses of two people. The
/// domain is mapped as browsers do: UTS 46, non-transitional, so that `straße.example` differs from
/// `strasse.example`.
pub(super) fn normalize(text: &str) -> Option<String> {
    let text = text.trim_ascii();
    // Rejects very long input early: an address of over four times the limit in UTF-8 exceeds the
    // limit in A-labels too.
    if text.len() > 4 * MAX_LENGTH || text.chars().any(is_invisible) {
        return None;
    }
    let (local, domain) = text.rsplit_once('@')?;
    let mut address = match local.is_ascii() {
        true => local.to_ascii_lowercase(),
        false => nfc_with_lower_case_ascii(local),
    };
    address.push('@');
    match has_one_spelling(domain) {
        true => address.push_str(&domain.to_ascii_lowercase()),
        false => address.push_str(&to_a_labels(domain)?),
    }
    let options = Options::default()
        .without_display_text()
        .without_domain_literal()
        .with_required_tld();
    let is_valid =
        address.len() <= MAX_LENGTH && EmailAddress::parse_with_options(&address, options).is_ok();
    is_valid.then_some(address)
}

/// The normalized address with its domain in U-labels; `None` if the domain has no A-labels.
pub(super) fn with_u_labels(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    if has_one_spelling(domain) {
        return None;
    }
    let (unicode, result) = Uts46::new().to_unicode(
        domain.as_bytes(),
        AsciiDenyList::STD3,
        Hyphens::CheckFirstLast,
    );
    result.ok()?;
    (unicode != domain).then(|| [local, "@", &unicode].concat())
}

/// Whether an address, once normalized, equals the second one.
pub(super) fn normalizes_to(text: &str, normalized: &str) -> bool {
    match text.is_ascii() {
        // Without non-ASCII characters, only the letter case and white space can differ.
        true => text.trim_ascii().eq_ignore_ascii_case(normalized),
        false => normalize(text).is_some_and(|text| text == normalized),
    }
}

/// Converts to NFC with ASCII letters in lower case. The second pass is needed because a letter in
/// lower case may compose where its capital does not (`J` and a caron).
fn nfc_with_lower_case_ascii(local: &str) -> String {
    let lower = local.nfc().map(|character| character.to_ascii_lowercase());
    lower.nfc().collect()
}

/// Whether a domain has one spelling, ignoring letter case: ASCII without A-labels.
fn has_one_spelling(domain: &str) -> bool {
    domain.is_ascii()
        && !domain
            .as_bytes()
            .windows(4)
            .any(|prefix| prefix.eq_ignore_ascii_case(b"xn--"))
}

fn to_a_labels(domain: &str) -> Option<String> {
    let ascii = Uts46::new().to_ascii(
        domain.as_bytes(),
        AsciiDenyList::STD3,
        Hyphens::CheckFirstLast,
        DnsLength::Verify,
    );
    ascii.ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_trimmed_and_its_ascii_letters_are_folded() {
        for (given, wanted) in [
            ("ada@example.com", Some("ada@example.com")),
            (
                "  Ada.Lovelace+News@Example.COM\t\n",
                Some("ada.lovelace+news@example.com"),
            ),
            ("o'neil_99%x@a-b.example", Some("o'neil_99%x@a-b.example")),
            ("Zoë@exämple.com", Some("zoë@xn--exmple-cua.com")),
            ("用户@例子.广告", Some("用户@xn--fsqu00a.xn--4rr70v")),
            // The full case folding of İ is two characters; the NFC of the Kelvin sign is K.
            ("İ@example.com", Some("İ@example.com")),
            ("\u{212a}@example.com", Some("k@example.com")),
            (r#""a,b"@example.com"#, Some(r#""a,b"@example.com"#)),
            (r#""a b"@example.com"#, None),
            ("", None),
            ("@", None),
            ("ada", None),
            ("ada@", None),
            ("@example.com", None),
            ("ada@localhost", None),
            ("ada@[127.0.0.1]", None),
            ("Ada <ada@example.com>", None),
            ("a@b@example.com", None),
            ("a..b@example.com", None),
            ("ada@example..com", None),
            ("ada@-example.com", None),
            ("a,b@example.com", None),
            ("ada@example.com\nbcc: eve@example.com", None),
            ("ad\0a@example.com", None),
            ("ad\u{200b}a@example.com", None),
            ("\u{202e}ada@example.com", None),
            ("ada\u{a0}@example.com", None),
        ] {
            assert_eq!(normalize(given).as_deref(), wanted, "{given:?}");
        }
        assert_eq!(normalize(&format!("{}@example.com", "a".repeat(65))), None);
        assert_eq!(normalize(&format!("a@{}com", "abcdefgh.".repeat(40))), None);
    }

    #[test]
    fn a_domain_with_a_labels_also_has_u_labels() {
        for (address, wanted) in [
            ("ada@example.com", None),
            ("用户@example.com", None),
            ("a@xn--mller-kva.example", Some("a@müller.example")),
            ("a@xn--strae-oqa.example", Some("a@straße.example")),
            ("用户@shop.xn--fiqs8s", Some("用户@shop.中国")),
        ] {
            assert_eq!(with_u_labels(address).as_deref(), wanted);
            assert_eq!(normalize(address).as_deref(), Some(address));
            if let Some(unicode) = wanted {
                assert_eq!(normalize(unicode).as_deref(), Some(address));
                assert!(normalizes_to(unicode, address));
            }
        }
    }
}
