use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// A longer wait is ignored: it is a mistake, such as a time stamp in place of seconds.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The wait in `Retry-After`, in either form of
/// [RFC 9110 §10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3). `None`: the header is
/// absent or malformed, or the wait exceeds a day.
///
/// A date is relative to the `Date` of the same response, because the clocks of the sender and of
/// this host may differ. A date in the past is a wait of zero.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let after = match value.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Duration::from_secs(value.parse().ok()?),
        false => {
            let until = httpdate::parse_http_date(value).ok()?;
            let date = headers.get(DATE)?.to_str().ok()?;
            let sent = httpdate::parse_http_date(date).ok()?;
            until.duration_since(sent).unwrap_or_default()
        }
    };
    (after <= MAX_RETRY_AFTER).then_some(after)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOON: &str = "Sun, 06 Nov 1994 12:00:00 GMT";

    fn seconds(value: &'static str, date: Option<&'static str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_static(date));
        }
        retry_after(&headers).map(|after| after.as_secs())
    }

    #[test]
    fn both_forms_are_parsed_up_to_a_day() {
        assert_eq!(retry_after(&HeaderMap::new()), None);
        for (value, expected) in [
            ("0", Some(0)),
            ("86400", Some(86400)),
            ("86401", None),
            ("18446744073709551616", None),
            ("", None),
            ("+1", None),
            ("1.5", None),
            ("Sun, 06 Nov 1994 12:01:00 GMT", Some(60)),
            ("Sunday, 06-Nov-94 12:01:00 GMT", Some(60)),
            ("Sun Nov  6 12:01:00 1994", Some(60)),
            ("Sun, 06 Nov 1994 11:59:00 GMT", Some(0)),
            ("Mon, 07 Nov 1994 12:00:01 GMT", None),
            ("Mon, 06 Nov 1994 12:01:00 GMT", None),
            ("1994-11-06T12:01:00Z", None),
        ] {
            assert_eq!(seconds(value, Some(NOON)), expected, "{value}");
        }
    }

    #[test]
    fn a_date_needs_the_date_of_its_response() {
        assert_eq!(seconds("Sun, 06 Nov 1994 12:01:00 GMT", None), None);
        assert_eq!(seconds("Sun, 06 Nov 1994 12:01:00 GMT", Some("noon")), None);
        assert_eq!(seconds("60", Some("noon")), Some(60));
    }
}
