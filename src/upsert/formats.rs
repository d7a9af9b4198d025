//! The formats of a URL, of a date and time, and of a currency code.

use http::Uri;

/// An absolute `http` or `https` URL.
pub(super) fn is_url(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
    })
}

/// A date, or a date and a time: `2024-02-29`, `2024-02-29 23:59:59`, and the ISO 8601 forms
/// `2024-02-29T23:59:59.123Z`, `2024-02-29T23:59+10:00`.
pub(super) fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_at_checked("YYYY-MM-DD".len()) else {
        return false;
    };
    is_date(date)
        && match time.strip_prefix(['T', 't', ' ']) {
            Some(time) => is_time(time),
            None => time.is_empty(),
        }
}

/// Three capital letters, as in ISO 4217: `AUD`.
pub(super) fn is_currency_code(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
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
    let offset_is_valid = offset.is_none_or(|offset| match offset.split_once(':') {
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
    // 60 is a leap second.
    let seconds = parts.next().map(|seconds| in_range(seconds, 60));
    let fraction_is_valid = fraction.is_none_or(|fraction| {
        seconds.is_some()
            && (1..=9).contains(&fraction.len())
            && fraction.bytes().all(|byte| byte.is_ascii_digit())
    });
    hours
        && minutes
        && seconds != Some(false)
        && parts.next().is_none()
        && fraction_is_valid
        && offset_is_valid
}

fn in_range(text: &str, last: u32) -> bool {
    digits(Some(text), 2).is_some_and(|number| number <= last)
}

/// A number with exactly `count` digits.
fn digits(text: Option<&str>, count: usize) -> Option<u32> {
    let text = text.filter(|text| text.len() == count)?;
    let has_digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    has_digits_only.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_times_need_a_date_that_exists() {
        for valid in [
            "2024-02-29",
            "2024-02-29 23:59:59",
            "2024-02-29T23:59:59Z",
            "2024-02-29t23:59:59.123456z",
            "2024-02-29T23:59:59+10:00",
            "2024-02-29T23:59-0330",
            "2016-12-31T23:59:60Z",
        ] {
            assert!(is_date_time(valid), "{valid}");
        }
        for invalid in [
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
            assert!(!is_date_time(invalid), "{invalid}");
        }
    }

    #[test]
    fn urls_are_absolute_and_use_http_or_https() {
        assert!(is_url("https://cdn.example/ada.png?x=1"));
        for invalid in [
            "",
            "ada.png",
            "/ada.png",
            "javascript:alert(1)",
            "ftp://x/y",
            "https://",
        ] {
            assert!(!is_url(invalid), "{invalid}");
        }
    }
}
