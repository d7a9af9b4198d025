use http::HeaderMap;
use http::header::AsHeaderName;

/// The elements of a list header, of all its values, without surrounding white space
/// ([RFC 9110 §5.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1)). Some may be empty.
pub(crate) fn elements(
    headers: &HeaderMap,
    name: impl AsHeaderName,
) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(name).iter();
    values
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
}

/// Whether a list header has this element, ignoring letter case.
pub(crate) fn has_element(headers: &HeaderMap, name: impl AsHeaderName, element: &str) -> bool {
    elements(headers, name).any(|own| own.eq_ignore_ascii_case(element.as_bytes()))
}
