//! What becomes of a tenant's answer on its way down: which are passed on, and which headers.

use std::fmt;

use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_LOCATION, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
    TRAILER, VARY,
};

use super::location;
use super::secret_scanner::Secret;
use crate::headers::ResponseHeaders;
use crate::headers::{
    Census, HopByHopError, Special, is_hop_by_hop, remove_nominated, retain, retry_after,
};
use crate::path::MeRequest;
use crate::rejection::{RejectionKind, TenantStatusRules};
use crate::tenant::{ApiToken, Tenant};
use crate::upstream::request::framing::{self, FramingError};

const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");
const AUTHORIZATION: HeaderValue = HeaderValue::from_static("authorization");

/// With whose credential the tenant was called: a 401 blames that one.
#[derive(Clone, Debug)]
pub(in crate::upstream) enum CalledAs {
    Tenant,
    Caller(ApiToken),
}

/// Decides whether an answer of this status is forwarded. `ranged`: the request had a `Range`.
///
/// Adds to [`TenantStatusRules`] the statuses that must not reach a client.
pub(in crate::upstream) fn judge(
    status: StatusCode,
    called_as: &CalledAs,
    ranged: bool,
) -> Result<(), RejectionKind> {
    let rules = match called_as {
        CalledAs::Tenant => TenantStatusRules::FORWARDED,
        CalledAs::Caller(_) => TenantStatusRules::FORWARDED_AS_CALLER,
    };
    match status {
        // RFC 9110 §15.3.7: an answer to a range request. The client would take it for the whole,
        // and a secret in it could not be found.
        StatusCode::PARTIAL_CONTENT if !ranged => Err(RejectionKind::TenantAnswer),
        // No request asks for another protocol, and other 1xx are not final answers.
        status if status.is_informational() => Err(RejectionKind::TenantAnswer),
        // About our own request: a proxy's credentials, a wrong host, another protocol.
        StatusCode::PROXY_AUTHENTICATION_REQUIRED
        | StatusCode::MISDIRECTED_REQUEST
        | StatusCode::UPGRADE_REQUIRED => Err(RejectionKind::TenantAnswer),
        status if status.as_u16() >= 600 => Err(RejectionKind::TenantAnswer),
        status => rules.kind(status).map_or(Ok(()), Err),
    }
}

/// Why an answer's headers cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum AnswerError {
    Connection(HopByHopError),
    Framing(FramingError),
}

/// Cleans the headers of an answer that is passed on.
pub(in crate::upstream) fn clean(
    headers: &mut HeaderMap,
    census: Census,
    status: StatusCode,
    removed: &ResponseHeaders,
    tenant: &Tenant,
    me: Option<&MeRequest>,
) -> Result<(), AnswerError> {
    framing::settle(headers, census, status).map_err(AnswerError::Framing)?;
    if census.has(Special::Connection) {
        remove_nominated(headers).map_err(AnswerError::Connection)?;
    }
    retain(headers, |name| {
        // RFC 9110 §7.6.1 does not count `Trailer` among what belongs to a connection, and over
        // HTTP/1.1 the trailers that we pass on are announced by it.
        (*name == TRAILER || !is_hop_by_hop(name)) && !removed.removes(name)
    });
    for (special, name) in [
        (Special::Location, LOCATION),
        (Special::ContentLocation, CONTENT_LOCATION),
    ] {
        if census.has(special) {
            map_location(headers, &name, tenant, me);
        }
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        settle_retry_after(headers);
    }
    if me.is_some() {
        keep_private(headers, census);
    }
    Ok(())
}

/// Replaces `Retry-After` by its seconds, or removes one that cannot be read or is out of bounds.
fn settle_retry_after(headers: &mut HeaderMap) {
    match retry_after(headers) {
        Some(after) => {
            headers.insert(RETRY_AFTER, after.as_secs().into());
        }
        None => {
            headers.remove(RETRY_AFTER);
        }
    }
}

/// Removes each header of which any value holds the secret.
pub(in crate::upstream) fn remove_echoes(headers: &mut HeaderMap, secret: &Secret) {
    let echoes: Vec<HeaderName> = headers
        .iter()
        .filter(|(_, value)| secret.occurs_in(value.as_bytes()))
        .map(|(name, _)| name.clone())
        .collect();
    for name in echoes {
        headers.remove(name);
    }
}

fn map_location(
    headers: &mut HeaderMap,
    name: &HeaderName,
    tenant: &Tenant,
    me: Option<&MeRequest>,
) {
    let Some(value) = headers.remove(name) else {
        return;
    };
    let public = me
        .zip(value.to_str().ok())
        .and_then(|(me, value)| location::public(value, tenant, me))
        .and_then(|value| HeaderValue::try_from(value).ok());
    if let Some(public) = public {
        headers.insert(name, public);
    }
}

/// What one token may read must not be kept for another: not by a cache, and not by a browser.
fn keep_private(headers: &mut HeaderMap, census: Census) {
    if !census.has(Special::CacheControl) || !lists(headers, &CACHE_CONTROL, &["no-store"]) {
        headers.insert(CACHE_CONTROL, PRIVATE);
    }
    if !census.has(Special::Vary) || !lists(headers, &VARY, &["authorization", "*"]) {
        headers.append(VARY, AUTHORIZATION);
    }
}

/// Whether a list, spread over however many headers, has one of these elements.
fn lists(headers: &HeaderMap, name: &HeaderName, elements: &[&str]) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .any(|item| (elements.iter()).any(|own| item.eq_ignore_ascii_case(own.as_bytes())))
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => error.fmt(f),
            Self::Framing(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AnswerError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> Tenant {
        Tenant::new("https://api.acme.test", ApiToken::new("api-token").unwrap()).unwrap()
    }

    fn cleaned(
        pairs: &[(&'static str, &'static str)],
        status: u16,
        me: Option<&MeRequest>,
    ) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let tenant = tenant();
        let status = StatusCode::from_u16(status).unwrap();
        let census = Census::of(&headers);
        clean(
            &mut headers,
            census,
            status,
            &ResponseHeaders::default(),
            &tenant,
            me,
        )
        .unwrap();
        let secret = tenant.api_token().telltale().map(Secret::new);
        remove_echoes(&mut headers, &secret.unwrap());
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    fn me() -> MeRequest {
        MeRequest::new("ada".parse().unwrap(), "/profiles/me".parse().unwrap())
    }

    #[test]
    fn a_failing_tenant_is_answered_from_the_table() {
        use RejectionKind::*;
        for (status, expected) in [
            (101, Err(TenantAnswer)),
            (103, Err(TenantAnswer)),
            (200, Ok(())),
            (206, Err(TenantAnswer)),
            (302, Ok(())),
            (401, Err(TenantCredentials)),
            (403, Ok(())),
            (404, Ok(())),
            (407, Err(TenantAnswer)),
            (421, Err(TenantAnswer)),
            (422, Ok(())),
            (429, Ok(())),
            (500, Err(TenantFailed)),
            (502, Err(TenantFailed)),
            (503, Err(TenantBusy)),
            (504, Err(TenantTimeout)),
            (599, Err(TenantFailed)),
            (600, Err(TenantAnswer)),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let judged = judge(status, &CalledAs::Tenant, false);
            assert_eq!(judged, expected, "{status}");
        }
        let partial = StatusCode::PARTIAL_CONTENT;
        assert_eq!(judge(partial, &CalledAs::Tenant, true), Ok(()));
    }

    #[test]
    fn a_callers_own_401_is_the_callers() {
        let called_as = CalledAs::Caller(ApiToken::new("of-the-caller").unwrap());
        assert_eq!(judge(StatusCode::UNAUTHORIZED, &called_as, false), Ok(()));
        assert!(judge(StatusCode::INTERNAL_SERVER_ERROR, &called_as, false).is_err());
    }

    #[test]
    fn what_is_the_tenants_own_stays_here() {
        let lines = cleaned(
            &[
                ("access-control-allow-origin", "*"),
                ("access-control-expose-headers", "x"),
                ("alt-svc", "h3=\":443\""),
                ("connection", "x-internal"),
                ("content-type", "application/json"),
                ("keep-alive", "timeout=5"),
                ("server", "nginx"),
                ("set-cookie", "laravel_session=1"),
                ("set-cookie", "xsrf=2"),
                ("strict-transport-security", "max-age=1"),
                ("trailer", "x-checksum"),
                ("transfer-encoding", "chunked"),
                ("x-accel-redirect", "/internal"),
                ("x-internal", "1"),
                ("x-powered-by", "PHP"),
                ("x-ratelimit-remaining", "59"),
                ("x-request-id", "7"),
            ],
            200,
            None,
        );
        assert_eq!(
            lines,
            [
                "content-type: application/json",
                "trailer: x-checksum",
                "x-request-id: 7",
            ],
        );
    }

    #[test]
    fn a_header_that_repeats_the_token_is_removed_with_all_its_values() {
        let lines = cleaned(
            &[
                ("x-note", "fine"),
                ("x-note", "Bearer api-token"),
                ("x-other", "api token"),
            ],
            200,
            None,
        );
        assert_eq!(lines, ["x-other: api token"]);
    }

    #[test]
    fn several_values_stay_apart() {
        let lines = cleaned(&[("link", "<a>"), ("link", "<b>, <c>")], 200, None);
        assert_eq!(lines, ["link: <a>", "link: <b>, <c>"]);
    }

    #[test]
    fn what_is_mine_is_private() {
        let private = ["cache-control: private, no-store", "vary: authorization"];
        assert_eq!(
            cleaned(&[("cache-control", "public, max-age=60")], 200, Some(&me())),
            private
        );
        assert_eq!(
            cleaned(&[("cache-control", "no-cache")], 200, Some(&me())),
            private
        );
        assert_eq!(
            cleaned(
                &[("cache-control", "max-age=0, No-Store"), ("vary", "accept")],
                200,
                Some(&me())
            ),
            [
                "cache-control: max-age=0, No-Store",
                "vary: accept",
                "vary: authorization"
            ],
        );
        assert_eq!(
            cleaned(
                &[("cache-control", "no-store"), ("vary", "*")],
                200,
                Some(&me())
            ),
            ["cache-control: no-store", "vary: *"],
        );
        assert_eq!(
            cleaned(&[("cache-control", "public")], 200, None),
            ["cache-control: public"]
        );
    }

    #[test]
    fn a_location_is_mapped_or_removed() {
        let pairs = [
            ("content-location", "/api/v3/profiles/bob"),
            (
                "location",
                "https://api.acme.test/api/v3/profiles/ada/addresses/7",
            ),
        ];
        assert!(
            cleaned(&pairs, 201, Some(&me()))
                .contains(&"location: ../profiles/me/addresses/7".to_owned())
        );
        assert_eq!(cleaned(&pairs, 201, Some(&me())).len(), 3);
        assert!(cleaned(&pairs, 201, None).is_empty());
    }

    #[test]
    fn the_retry_after_of_a_429_is_bounded() {
        let of = |value| cleaned(&[("retry-after", value)], 429, None);
        assert_eq!(of("120"), ["retry-after: 120"]);
        for other in ["", "<script>", "soon", "86401", "4fzKq0pLw8sN1vXyT2uR"] {
            assert!(of(other).is_empty(), "{other}");
        }
        let date = "Fri, 31 Dec 1999 23:59:59 GMT";
        let minute_before = ("date", "Fri, 31 Dec 1999 23:58:59 GMT");
        assert_eq!(
            cleaned(&[("retry-after", date), minute_before], 429, None),
            ["date: Fri, 31 Dec 1999 23:58:59 GMT", "retry-after: 60"]
        );
    }
}
