//! Phone numbers in E.164 form.

use std::ops::RangeInclusive;

use super::invisible::is_invisible;

/// Country codes whose national numbers may begin with a zero, and the lengths of such numbers,
/// from the patterns for landlines and mobiles of
/// [libphonenumber](https://github.com/google/libphonenumber/blob/master/resources/PhoneNumberMetadata.xml).
const LEADING_ZERO: [(&str, RangeInclusive<usize>); 10] = [
    ("39", 6..=12),   // Italy, Vatican City
    ("225", 10..=10), // Côte d'Ivoire
    ("226", 8..=8),   // Burkina Faso
    ("229", 10..=10), // Benin
    ("241", 8..=8),   // Gabon
    ("242", 9..=9),   // Congo
    ("250", 8..=8),   // Rwanda
    ("378", 10..=10), // San Marino
    ("881", 9..=9),   // satellite networks
    ("992", 9..=9),   // Tajikistan
];

/// Normalizes a phone number to E.164: `+`, the country code and the national number, 8 to 15
/// digits in total. `None` if the number is invalid.
///
/// Separators (white space, dashes, `.`, parentheses) and invisible characters are removed. A
/// number without a country code is invalid, because a guessed country could yield the number of
/// another person. A trunk zero after the country code, as in `+44 020…` or `+44 (0)20…`, is
/// invalid as well, because it is not dialled from abroad.
pub(super) fn normalize(text: &str) -> Option<String> {
    let text = text.trim_ascii();
    if text.chars().any(char::is_control) {
        return None;
    }
    let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    if visible.contains("(0)") {
        return None;
    }
    let number: String = visible.chars().filter(|c| !is_separator(*c)).collect();
    let digits = number.strip_prefix('+')?;
    let is_number = (8..=15).contains(&digits.len())
        && digits.bytes().all(|digit| digit.is_ascii_digit())
        && !digits.starts_with('0')
        && !has_trunk_zero(digits);
    is_number.then_some(number)
}

/// Whether a character is a hyphen, a dash, a minus sign, a full stop or a parenthesis.
fn is_separator(character: char) -> bool {
    matches!(
        character,
        '-' | '.' | '(' | ')' | '\u{2010}'..='\u{2015}' | '\u{2212}'
    )
}

/// Whether the national number begins with a zero that the country's numbering plan does not have.
fn has_trunk_zero(digits: &str) -> bool {
    let (code, national) = split_country_code(digits);
    national.starts_with('0')
        && !LEADING_ZERO
            .iter()
            .any(|(known, lengths)| *known == code && lengths.contains(&national.len()))
}

/// Splits a number after its country code. Codes have one to three digits and are prefix-free
/// ([ITU-T E.164, list of assigned codes](https://www.itu.int/pub/T-SP-E.164D)).
fn split_country_code(digits: &str) -> (&str, &str) {
    let length = match digits.as_bytes() {
        [b'1' | b'7', ..] => 1,
        [b'2', b'0' | b'7', ..]
        | [b'3', b'0'..=b'4' | b'6' | b'9', ..]
        | [b'4', b'0' | b'1' | b'3'..=b'9', ..]
        | [b'5', b'1'..=b'8', ..]
        | [b'6', b'0'..=b'6', ..]
        | [b'8', b'1' | b'2' | b'4' | b'6', ..]
        | [b'9', b'0'..=b'5' | b'8', ..] => 2,
        _ => 3,
    };
    digits.split_at_checked(length).unwrap_or((digits, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_needs_a_country_code_and_its_separators_are_removed() {
        for (given, wanted) in [
            ("+61412345678", Some("+61412345678")),
            (" +61 412-345.678 ", Some("+61412345678")),
            ("+1 (415) 555\u{a0}0100", Some("+14155550100")),
            ("+12345678", Some("+12345678")),
            ("+123456789012345", Some("+123456789012345")),
            ("+1234567", None),
            ("+1234567890123456", None),
            ("0412345678", None),
            ("0061412345678", None),
            ("61412345678", None),
            ("+0412345678", None),
            ("+44 (0)20 7946 0000", None),
            ("+61412345678;ext=5", None),
            ("+61412345678,+61499999999", None),
            ("+614123%5678", None),
            ("+6141234567８", None),
            ("++61412345678", None),
            ("+", None),
            ("", None),
        ] {
            assert_eq!(normalize(given).as_deref(), wanted, "{given:?}");
        }
    }

    #[test]
    fn country_codes_have_one_to_three_digits() {
        for (digits, code) in [
            ("14155550100", "1"),
            ("79123456789", "7"),
            ("61412345678", "61"),
            ("2250712345678", "225"),
            ("3780549886377", "378"),
            ("353851234567", "353"),
            ("42", "42"),
        ] {
            assert_eq!(split_country_code(digits).0, code);
        }
    }
}
