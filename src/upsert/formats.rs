//! What an e-mail address, a phone number, a moment look like. Pure.

use email_address::{EmailAddress, Options};
use http::Uri;

/// RFC 5321 §4.5.3.1.3: a path of 256 octets, its angle brackets included.
const MAX_EMAIL: usize = 254;

/// An e-mail address as it is compared, looked up and stored: without blanks around it, ASCII
/// letters in lower case.
///
/// Only ASCII is folded: what other letters fold to depends on who folds them (`İ`, `ſ`, `K`), and
/// two people must never become one. Internationalised addresses pass as they are.
pub(super) fn email(text: &str) -> Option<String> {
    let text = text.trim_ascii();
    let has_invisible = match text.is_ascii() {
        true => !text.bytes().all(|byte| byte.is_ascii_graphic()),
        false => text.chars().any(is_invisible),
    };
    if text.len() > MAX_EMAIL || has_invisible {
        return None;
    }
    let options = Options::default()
        .without_display_text()
        .without_domain_literal()
        .with_required_tld();
    EmailAddress::parse_with_options(text, options).ok()?;
    Some(text.to_ascii_lowercase())
}

/// Controls, blanks, and what changes the order or the look of a text without being seen.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || character.is_whitespace()
        || matches!(character,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffd}')
}

/// A phone number in E.164 form: `+`, a country code, 8 to 15 digits in all.
///
/// Visual separators (space, `-`, `.`, parentheses) are dropped. A number without its country code
/// is refused: which country was meant would be a guess, and a wrong one is somebody else's phone.
/// So is a trunk zero in parentheses, `+44 (0)20…`, which is not dialled from abroad.
pub(super) fn phone(text: &str) -> Option<String> {
    let digits = text.trim_ascii().strip_prefix('+')?;
    if digits.contains("(0") {
        return None;
    }
    let mut number = String::from("+");
    for character in digits.chars() {
        match character {
            '0'..='9' => number.push(character),
            ' ' | '\u{a0}' | '-' | '.' | '(' | ')' => {}
            _ => return None,
        }
    }
    let valid = (9..=16).contains(&number.len()) && !number.starts_with("+0");
    valid.then_some(number)
}

/// An absolute `http` or `https` URL.
pub(super) fn is_url(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
    })
}

/// A date, or a date and a time: `2024-02-29`, `2024-02-29 23:59:59`, and the ISO 8601 forms
/// `2024-02-29T23:59:59.123Z`, `2024-02-29T23:59+10:00`.
pub(super) fn is_moment(text: &str) -> bool {
    let Some((date, time)) = text.split_at_checked("YYYY-MM-DD".len()) else {
        return false;
    };
    is_date(date)
        && match time.strip_prefix(['T', 't', ' ']) {
            Some(time) => is_time(time),
            None => time.is_empty(),
        }
}

fn is_date(text: &str) -> bool {
    let mut parts = text.split('-');
    let (Some(year), Some(month), Some(day), None) = (
        digits(parts.next(), 4),
        digits(parts.next(), 2),
        digits(parts.next(), 2),
        parts.next(),
    ) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return false,
    };
    (1..=last).contains(&day)
}

fn is_time(text: &str) -> bool {
    let (time, offset) = match text.find(['Z', 'z', '+', '-']).map(|at| text.split_at(at)) {
        Some((time, "Z" | "z")) => (time, None),
        Some((time, offset)) => (time, offset.get(1..)),
        None => (text, None),
    };
    let offset_is_good = offset.is_none_or(|offset| match offset.split_once(':') {
        Some((hours, minutes)) => in_range(hours, 23) && in_range(minutes, 59),
        None => match offset.split_at_checked(2) {
            Some((hours, minutes)) => {
                in_range(hours, 23) && (minutes.is_empty() || in_range(minutes, 59))
            }
            None => false,
        },
    });
    let (clock, fraction) = match time.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (time, None),
    };
    let mut parts = clock.split(':');
    let hours = parts.next().is_some_and(|hours| in_range(hours, 23));
    let minutes = parts.next().is_some_and(|minutes| in_range(minutes, 59));
    // 60: a leap second.
    let seconds = parts.next().map(|seconds| in_range(seconds, 60));
    let fraction_is_good = fraction.is_none_or(|fraction| {
        seconds.is_some()
            && (1..=9).contains(&fraction.len())
            && fraction.bytes().all(|byte| byte.is_ascii_digit())
    });
    hours
        && minutes
        && seconds != Some(false)
        && parts.next().is_none()
        && fraction_is_good
        && offset_is_good
}

fn in_range(text: &str, last: u32) -> bool {
    digits(Some(text), 2).is_some_and(|number| number <= last)
}

/// A number of exactly so many digits.
fn digits(text: Option<&str>, count: usize) -> Option<u32> {
    let text = text.filter(|text| text.len() == count)?;
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_are_trimmed_and_only_ascii_is_folded() {
        for (given, wanted) in [
            ("ada@example.com", Some("ada@example.com")),
            (
                "  Ada.Lovelace+News@Example.COM\t\n",
                Some("ada.lovelace+news@example.com"),
            ),
            ("o'neil_99%x@a-b.example", Some("o'neil_99%x@a-b.example")),
            ("Zoë@exämple.com", Some("zoë@exämple.com")),
            ("用户@例子.广告", Some("用户@例子.广告")),
            // İ would fold to two characters, K (Kelvin) to an ASCII k.
            ("İ@example.com", Some("İ@example.com")),
            ("\u{212a}@example.com", Some("\u{212a}@example.com")),
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
            assert_eq!(email(given).as_deref(), wanted, "{given:?}");
        }
        assert_eq!(email(&format!("{}@example.com", "a".repeat(65))), None);
        assert_eq!(email(&format!("a@{}com", "abcdefgh.".repeat(40))), None);
    }

    #[test]
    fn phones_need_a_country_code_and_lose_their_separators() {
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
            assert_eq!(phone(given).as_deref(), wanted, "{given:?}");
        }
    }

    #[test]
    fn moments_are_dates_that_exist() {
        for good in [
            "2024-02-29",
            "2024-02-29 23:59:59",
            "2024-02-29T23:59:59Z",
            "2024-02-29t23:59:59.123456z",
            "2024-02-29T23:59:59+10:00",
            "2024-02-29T23:59-0330",
            "2016-12-31T23:59:60Z",
        ] {
            assert!(is_moment(good), "{good}");
        }
        for bad in [
            "",
            "yesterday",
            "2023-02-29",
            "2024-13-01",
            "2024-00-01",
            "2024-01-32",
            "24-01-01",
            "2024-1-1",
            "2024-01-01T",
            "2024-01-01 24:00:00",
            "2024-01-01T10",
            "2024-01-01T10:61",
            "2024-01-01T10:00:00.",
            "2024-01-01T10:00.5",
            "2024-01-01T10:00:00+",
            "2024-01-01T10:00:00+1",
            "2024-01-01T10:00:00ZZ",
            "2024-01-01T10:00:00 Z",
            "2024-01-01é",
            "２０２４-01-01",
        ] {
            assert!(!is_moment(bad), "{bad}");
        }
    }

    #[test]
    fn urls_are_absolute_and_of_the_web() {
        assert!(is_url("https://cdn.example/ada.png?x=1"));
        for bad in [
            "",
            "ada.png",
            "/ada.png",
            "javascript:alert(1)",
            "ftp://x/y",
            "https://",
        ] {
            assert!(!is_url(bad), "{bad}");
        }
    }
}
