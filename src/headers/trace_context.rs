use http::HeaderMap;
use http::header::HeaderName;

use super::single_value::single_value;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Removes a [trace context](https://www.w3.org/TR/trace-context/) whose `traceparent` is absent,
/// malformed or repeated, `tracestate` included. It generates no trace context.
///
/// The content of `tracestate` is vendor-specific and is not validated.
pub(crate) fn remove_invalid_trace_context(headers: &mut HeaderMap) {
    let is_valid = match single_value(headers, TRACEPARENT) {
        Ok(Some(parent)) => is_traceparent(parent.as_bytes()),
        Ok(None) | Err(_) => false,
    };
    if !is_valid {
        headers.remove(TRACEPARENT);
        headers.remove(TRACESTATE);
    }
}

/// §3.2: `version "-" trace-id "-" parent-id "-" trace-flags`, in lower-case hexadecimal digits.
fn is_traceparent(value: &[u8]) -> bool {
    let mut fields = value.split(|&byte| byte == b'-');
    let mut next = || fields.next().unwrap_or_default();
    let (version, trace, parent, flags) = (next(), next(), next(), next());
    is_hex(version, 2)
        && version != b"ff"
        && (is_hex(trace, 32) && is_nonzero(trace))
        && (is_hex(parent, 16) && is_nonzero(parent))
        && is_hex(flags, 2)
        // Later versions may append fields.
        && (version != b"00" || fields.next().is_none())
}

fn is_hex(field: &[u8], len: usize) -> bool {
    let mut digits = field.iter();
    field.len() == len && digits.all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_nonzero(field: &[u8]) -> bool {
    field.iter().any(|&byte| byte != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::tests::from_pairs;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn filtered(pairs: &[(&'static str, &str)]) -> Vec<String> {
        let mut headers = from_pairs(pairs);
        remove_invalid_trace_context(&mut headers);
        let values = headers.values();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn a_valid_trace_context_is_unchanged() {
        assert_eq!(filtered(&[("traceparent", VALID)]), [VALID]);
        let state = ["a=1", "b=2"];
        assert_eq!(
            filtered(&[
                ("traceparent", VALID),
                ("tracestate", state[0]),
                ("tracestate", state[1]),
            ]),
            [VALID, "a=1", "b=2"],
        );
        let later = VALID.replacen("00", "cc", 1) + "-appended-field";
        assert_eq!(filtered(&[("traceparent", &later)]), [later]);
    }

    #[test]
    fn a_malformed_traceparent_is_removed_with_tracestate() {
        for malformed in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47366-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01, x",
            "ada@example.com",
        ] {
            let pairs = [("traceparent", malformed), ("tracestate", "a=1")];
            assert!(filtered(&pairs).is_empty(), "{malformed}");
        }
        assert!(filtered(&[("traceparent", VALID), ("traceparent", VALID)]).is_empty());
        assert!(filtered(&[("tracestate", "a=1")]).is_empty());
    }
}
