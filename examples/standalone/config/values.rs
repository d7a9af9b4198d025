//! Parsers for the values of flags.

use std::net::ToSocketAddrs;
use std::ops::RangeInclusive;
use std::time::Duration;

/// An address that resolves. Returned as text: it is resolved again when it is bound.
pub(super) fn address(text: &str) -> Result<String, String> {
    match text.to_socket_addrs() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "{text:?} is not an address like 127.0.0.1:8080: {error}"
        )),
    }
}

/// A duration with units, such as `1h 30m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| format!("{text:?} is not a duration like 1h or 900s"))
}

/// A duration other than zero.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than zero".to_owned()),
        timeout => Ok(timeout),
    }
}

/// A duration other than zero, without a fraction of a second.
pub(super) fn whole_seconds(text: &str) -> Result<Duration, String> {
    let duration = timeout(text)?;
    match duration.subsec_nanos() {
        0 => Ok(duration),
        _ => Err(format!("{text:?} has a fraction of a second")),
    }
}

/// A number in this range.
pub(super) fn number(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        let (least, most) = range.into_inner();
        format!("{text:?} is not a number from {least} to {most}")
    })
}
