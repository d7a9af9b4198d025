//! Parsers for the values of settings.

use std::net::ToSocketAddrs;
use std::ops::RangeInclusive;
use std::time::Duration;

use omneo_id::tenants::{TenantByHost, TenantKey};

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

/// A host without a port, in lower case and without a trailing dot.
pub(super) fn host(text: &str) -> Result<String, String> {
    let hosts = TenantByHost::new().add_host(text, TenantKey::DEFAULT);
    hosts.map_err(|error| error.to_string())?;
    // `add_host` ignores a port. A colon is otherwise in an IPv6 address only, which ends with `]`.
    if text.contains(':') && !text.ends_with(']') {
        return Err(format!(
            "{text:?} has a port, which hosts do not distinguish"
        ));
    }
    Ok(text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase())
}

/// A host with `{tenant}` as one of its labels, in lower case.
pub(super) fn host_pattern(text: &str) -> Result<String, String> {
    let pattern = text.to_ascii_lowercase();
    match TenantByHost::new().with_pattern(&pattern) {
        Ok(_) => Ok(pattern),
        Err(error) => Err(error.to_string()),
    }
}

/// The key of a tenant. `TenantKey` lowers upper case; here it is an error, so that the file has
/// the key of logs and metrics.
pub(super) fn tenant_key(text: &str) -> Result<String, String> {
    match text.parse::<TenantKey>() {
        Ok(key) if key.as_str() == text => Ok(text.to_owned()),
        Ok(key) => Err(format!(
            "{text:?} has upper case: {key:?} is meant",
            key = key.as_str()
        )),
        Err(error) => Err(format!("{text:?} is invalid: {error}")),
    }
}
