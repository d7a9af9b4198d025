//! E-mail addresses in the one form in which they are compared and stored. Pure.

use email_address::{EmailAddress, Options};
use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;

use super::text::is_invisible;

/// RFC 5321 §4.5.3.1.3: a path of 256 octets, its angle brackets included.
const MAX_LENGTH: usize = 254;

/// An address in its one form: without white space around it, the local part in Unicode NFC with
/// its ASCII letters in lower case, the domain in A-labels.
///
/// Only ASCII letters of a local part are folded. The folding of others depends on the language and
/// on the reader (`İ`, `ſ`), and would make two people one. The domain is mapped as browsers do:
/// UTS 46, non-transitional, so that `straße.example` is not `strasse.example`.
pub(super) fn normalize(text: &str) -> Option<String> {
    let text = text.trim_ascii();
    // No address of more than four times the length in UTF-8 is short enough in A-labels.
    if text.len() > 4 * MAX_LENGTH || text.chars().any(is_invisible) {
        return None;
    }
    let (local, domain) = text.rsplit_once('@')?;
    let mut address = match local.is_ascii() {
        true => local.to_ascii_lowercase(),
        false => composed(local),
    };
    address.push('@');
    match is_plain(domain) {
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

/// The same address with its domain in U-labels; `None` if the domain is plain ASCII.
pub(super) fn with_u_labels(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    if is_plain(domain) {
        return None;
    }
    let (unicode, valid) = Uts46::new().to_unicode(
        domain.as_bytes(),
        AsciiDenyList::STD3,
        Hyphens::CheckFirstLast,
    );
    valid.ok()?;
    (unicode != domain).then(|| [local, "@", &unicode].concat())
}

/// Whether two addresses, the second one in its one form, are the same.
pub(super) fn is_same(text: &str, normalized: &str) -> bool {
    match text.is_ascii() {
        // In ASCII, the letter case is all that can differ.
        true => text.trim_ascii().eq_ignore_ascii_case(normalized),
        false => normalize(text).is_some_and(|text| text == normalized),
    }
}

/// NFC, ASCII letters in lower case. A letter in lower case may compose where its capital does not
/// (`J` and a caron), hence the second pass.
fn composed(local: &str) -> String {
    let lower = local.nfc().map(|character| character.to_ascii_lowercase());
    lower.nfc().collect()
}

/// Whether a domain has one spelling only, letter case aside.
fn is_plain(domain: &str) -> bool {
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
            // The full case folding of İ is two characters; the Kelvin sign is canonically a K.
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
    fn a_domain_with_two_spellings_has_a_second_form() {
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
                assert!(is_same(unicode, address));
            }
        }
    }
}
