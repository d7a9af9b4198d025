//! The forwarding headers of a request to the tenant: `X-Forwarded-*`, `Forwarded`, `Via`.

use http::Version;
use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue, VIA};
use http::uri::{Authority, Scheme};

use crate::client_info::{ClientInfo, Pseudonym, forwarded};
use crate::error::{ConfigError, ConfigErrorKind};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The headers that describe the client and the proxies of a request to the tenant.
///
/// Values that a client sends in these headers are always removed; see the
/// [module docs](crate::upstream#forwarding-headers).
///
/// ```
/// use omneo_id::upstream::Forwarding;
///
/// let forwarding = Forwarding::forwarded().with_pseudonym("id.shop.test")?;
/// # let _ = forwarding;
/// # Ok::<(), omneo_id::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarding {
    client: ClientHeaders,
    via: Option<Pseudonym>,
}

/// The headers that describe the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientHeaders {
    XForwarded,
    Forwarded,
    Both,
    None,
}

impl Forwarding {
    /// Sends `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
    pub fn x_forwarded() -> Self {
        Self::new(ClientHeaders::XForwarded)
    }

    /// Sends `Forwarded` ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239)).
    pub fn forwarded() -> Self {
        Self::new(ClientHeaders::Forwarded)
    }

    /// Sends both `X-Forwarded-*` and `Forwarded`.
    pub fn both() -> Self {
        Self::new(ClientHeaders::Both)
    }

    /// Does not send the client's address, scheme or host.
    pub fn none() -> Self {
        Self::new(ClientHeaders::None)
    }

    fn new(client: ClientHeaders) -> Self {
        Self { client, via: None }
    }

    /// Sends `Via` with the pseudonym `omneo-id`.
    ///
    /// [RFC 9110 §7.6.3](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.3) requires it from
    /// gateways. nginx, HAProxy and Envoy omit it too: by default (`gzip_proxied off`) an nginx in
    /// front of the tenant does not compress responses to requests with a `Via`.
    ///
    /// Default is to omit `Via`.
    #[must_use]
    pub fn with_via(mut self) -> Self {
        self.via = Some(Pseudonym::default());
        self
    }

    /// Sends [`Via`](Self::with_via) with another pseudonym, such as `id.shop.test`.
    ///
    /// Default is to omit `Via`.
    ///
    /// # Errors
    /// If `name` is not a token of RFC 9110.
    pub fn with_pseudonym(mut self, name: &str) -> Result<Self, ConfigError> {
        let pseudonym = Pseudonym::new(name).ok_or_else(|| {
            let message = format!("{name:?} is not a valid pseudonym for `Via`");
            ConfigError::new(ConfigErrorKind::InvalidValue, message)
        })?;
        self.via = Some(pseudonym);
        Ok(self)
    }

    /// Inserts the headers. `received` is the version of the client's request.
    ///
    /// The caller has removed the client's own forwarding headers.
    pub(in crate::upstream) fn apply(
        &self,
        headers: &mut HeaderMap,
        client: Option<&ClientInfo>,
        received: Version,
    ) {
        if let Some(own) = &self.via {
            let own = own.for_version(received);
            let value = match client.and_then(ClientInfo::via) {
                Some(entries) => append_entry(entries, own),
                None => own.clone(),
            };
            headers.insert(VIA, value);
        }
        let Some(client) = client else { return };
        if matches!(self.client, ClientHeaders::XForwarded | ClientHeaders::Both) {
            insert_x_forwarded(client, headers);
        }
        if matches!(self.client, ClientHeaders::Forwarded | ClientHeaders::Both) {
            let proto = client.scheme().map(Scheme::as_str);
            let host = client.host().map(Authority::as_str);
            let value = forwarded::format(client.addrs(), proto, host);
            insert_nonempty(headers, FORWARDED, &value);
        }
    }
}

impl Default for Forwarding {
    /// [`x_forwarded`](Self::x_forwarded), which Laravel parses, without `Via`.
    fn default() -> Self {
        Self::x_forwarded()
    }
}

/// Appends our entry to the `Via` entries of trusted proxies.
fn append_entry(entries: &str, own: &HeaderValue) -> HeaderValue {
    let own_text = own.to_str().unwrap_or_default();
    HeaderValue::try_from(format!("{entries}, {own_text}")).unwrap_or_else(|_| own.clone())
}

fn insert_x_forwarded(client: &ClientInfo, headers: &mut HeaderMap) {
    if let Some(addrs) = client.x_forwarded_for() {
        headers.insert(X_FORWARDED_FOR, addrs.clone());
    }
    for (name, value) in [
        (X_FORWARDED_PROTO, client.scheme().map(Scheme::as_str)),
        (X_FORWARDED_HOST, client.host().map(Authority::as_str)),
    ] {
        insert_nonempty(headers, name, value.unwrap_or_default());
    }
}

/// Inserts a header, unless the value is empty, that is, unknown.
fn insert_nonempty(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if value.is_empty() {
        return;
    }
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
