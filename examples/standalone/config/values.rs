//! Parsers for the values of flags.

use std::net::{Ipv6Addr, ToSocketAddrs};
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

/// A host without a port, in lower case: a name in A-labels, or an IP address.
pub(super) fn host(text: &str) -> Result<String, String> {
    let host = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        let mut bytes = label.bytes();
        !label.is_empty() && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_valid = match address {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.len() <= 253 && host.split('.').all(is_label),
    };
    match is_valid {
        true => Ok(host),
        false => Err(format!(
            "{text:?} is not a host like id.shop.example, without scheme and port"
        )),
    }
}

/// A host with `{tenant}` as one of its labels, in lower case.
pub(super) fn host_pattern(text: &str) -> Result<String, String> {
    let pattern = text.to_ascii_lowercase();
    let labels: Vec<_> = pattern.split('.').collect();
    let is_label = labels.contains(&"{tenant}") && labels.len() > 1;
    // With the placeholder once, no brace is left in the example.
    let example = pattern.replacen("{tenant}", "acme", 1);
    if !is_label || host(&example).is_err() {
        return Err(format!(
            "{text:?} is not a pattern like api.{{tenant}}.shop.example"
        ));
    }
    Ok(pattern)
}

/// The key of a tenant.
pub(super) fn tenant_key(text: &str) -> Result<String, String> {
    let is_key_byte =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    match (1..=63).contains(&text.len()) && text.bytes().all(is_key_byte) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "{text:?} is not a key of 1 to 63 of the characters a-z, 0-9, - and _"
        )),
    }
}
