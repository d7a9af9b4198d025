use http::HeaderMap;
use http::header::HeaderName;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Lets a [trace context](https://www.w3.org/TR/trace-context/) pass only if it is one: a malformed
/// `traceparent` goes, and `tracestate` with it. None is made up.
///
/// What stands in `tracestate` is for those who wrote it.
pub(crate) fn settle_trace_context(headers: &mut HeaderMap) {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let good = match (parents.next(), parents.next()) {
        (Some(parent), None) => is_traceparent(parent.as_bytes()),
        // "If more than one traceparent header is received", nobody can tell which one counts.
        _ => false,
    };
    if !good {
        headers.remove(TRACEPARENT);
        headers.remove(TRACESTATE);
    }
}

/// §3.2: `version "-" trace-id "-" parent-id "-" trace-flags`, in lower-case hexadecimal digits.
fn is_traceparent(value: &[u8]) -> bool {
    let hex = |field: &[u8], len: usize| {
        field.len() == len
            && field
                .iter()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let some = |field: &[u8]| field.iter().any(|&byte| byte != b'0');
    let mut fields = value.split(|&byte| byte == b'-');
    let mut next = || fields.next().unwrap_or_default();
    let (version, trace, parent, flags) = (next(), next(), next(), next());
    hex(version, 2)
        && version != b"ff"
        && (hex(trace, 32) && some(trace))
        && (hex(parent, 16) && some(parent))
        && hex(flags, 2)
        // Later versions may say more behind these.
        && (version != b"00" || fields.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn settled(pairs: &[(&'static str, &str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        settle_trace_context(&mut headers);
        let line = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        headers.values().map(line).collect()
    }

    #[test]
    fn a_trace_context_passes_as_it_is() {
        assert_eq!(settled(&[("traceparent", GOOD)]), [GOOD]);
        let state = ["a=1", "b=2"];
        assert_eq!(
            settled(&[
                ("traceparent", GOOD),
                ("tracestate", state[0]),
                ("tracestate", state[1]),
            ]),
            [GOOD, "a=1", "b=2"],
        );
        let later = GOOD.replacen("00", "cc", 1) + "-what-comes-later";
        assert_eq!(settled(&[("traceparent", &later)]), [later]);
    }

    #[test]
    fn a_malformed_one_goes_and_takes_its_state_along() {
        for bad in [
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
            let pairs = [("traceparent", bad), ("tracestate", "a=1")];
            assert!(settled(&pairs).is_empty(), "{bad}");
        }
        assert!(settled(&[("traceparent", GOOD), ("traceparent", GOOD)]).is_empty());
        assert!(settled(&[("tracestate", "a=1")]).is_empty());
    }
}
