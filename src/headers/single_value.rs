use http::HeaderMap;
use http::header::{AsHeaderName, HeaderValue};

/// A header that may occur once has several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeated;

/// The value of a header that may occur once. `Ok(None)`: the header is absent.
///
/// Servers disagree on which of several values counts, so repetition is an error and not a choice.
pub(crate) fn single_value(
    headers: &HeaderMap,
    name: impl AsHeaderName,
) -> Result<Option<&HeaderValue>, Repeated> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Repeated),
        (value, None) => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_header_is_an_error() {
        let mut headers = HeaderMap::new();
        assert_eq!(single_value(&headers, "host"), Ok(None));
        headers.append("host", HeaderValue::from_static("a"));
        let value = HeaderValue::from_static("a");
        assert_eq!(single_value(&headers, "host"), Ok(Some(&value)));
        headers.append("host", HeaderValue::from_static("a"));
        assert_eq!(single_value(&headers, "host"), Err(Repeated));
    }
}
