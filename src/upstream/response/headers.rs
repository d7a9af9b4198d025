//! The headers of a forwarded response.

use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_LOCATION, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
    TRAILER, VARY,
};

use super::framing::normalize_framing;
use super::location;
use crate::error::BoxError;
use crate::headers::{
    ResponseHeaders, elements, has_element, is_hop_by_hop, remove_nominated, retain, retry_after,
};
use crate::path::MeRequest;
use crate::tenant::Tenant;
use crate::upstream::secret::Secret;

const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");
const AUTHORIZATION: HeaderValue = HeaderValue::from_static("authorization");

/// Filters the headers of a forwarded response.
///
/// # Errors
/// If the framing or the `Connection` header is malformed.
pub(in crate::upstream) fn filter_headers(
    headers: &mut HeaderMap,
    status: StatusCode,
    policy: &ResponseHeaders,
    tenant: &Tenant,
    me: Option<&MeRequest>,
) -> Result<(), BoxError> {
    normalize_framing(headers, status)?;
    remove_nominated(headers)?;
    retain(headers, |name| {
        // RFC 9110 §7.6.1 does not list `Trailer` as hop-by-hop, and over HTTP/1.1 it announces the
        // trailers that are forwarded.
        (*name == TRAILER || !is_hop_by_hop(name)) && policy.allows(name)
    });
    for name in [LOCATION, CONTENT_LOCATION] {
        rewrite_location(headers, &name, tenant, me);
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        normalize_retry_after(headers);
    }
    if me.is_some() {
        set_private(headers);
    }
    Ok(())
}

/// Replaces `Retry-After` by its value in seconds, or removes a malformed or excessive one.
fn normalize_retry_after(headers: &mut HeaderMap) {
    match retry_after(headers) {
        Some(after) => {
            headers.insert(RETRY_AFTER, after.as_secs().into());
        }
        None => {
            headers.remove(RETRY_AFTER);
        }
    }
}

/// Removes each header with a value that contains the secret.
pub(in crate::upstream) fn remove_secret(headers: &mut HeaderMap, secret: &Secret) {
    let names: Vec<HeaderName> = headers
        .iter()
        .filter(|(_, value)| secret.occurs_in(value.as_bytes()))
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        headers.remove(name);
    }
}

fn rewrite_location(
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
        .and_then(|(me, value)| location::to_public(value, tenant, me))
        .and_then(|value| HeaderValue::try_from(value).ok());
    if let Some(public) = public {
        headers.insert(name, public);
    }
}

/// Prevents caches and browsers from storing a profile: another token must not receive it.
fn set_private(headers: &mut HeaderMap) {
    if !has_element(headers, CACHE_CONTROL, "no-store") {
        headers.insert(CACHE_CONTROL, PRIVATE);
    }
    if !elements(headers, VARY)
        .any(|element| element == b"*" || element.eq_ignore_ascii_case(b"authorization"))
    {
        headers.append(VARY, AUTHORIZATION);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::tests::{from_pairs, to_lines};
    use crate::tenant::ApiToken;

    fn tenant() -> Tenant {
        Tenant::new("https://api.acme.test", ApiToken::new("api-token").unwrap()).unwrap()
    }

    fn filtered(
        pairs: &[(&'static str, &'static str)],
        status: u16,
        me: Option<&MeRequest>,
    ) -> Vec<String> {
        let mut headers = from_pairs(pairs);
        let tenant = tenant();
        let status = StatusCode::from_u16(status).unwrap();
        filter_headers(
            &mut headers,
            status,
            &ResponseHeaders::default(),
            &tenant,
            me,
        )
        .unwrap();
        let secret = tenant.api_token().search_pattern().map(Secret::new);
        remove_secret(&mut headers, &secret.unwrap());
        to_lines(&headers)
    }

    fn me() -> MeRequest {
        MeRequest::new("ada".parse().unwrap(), "/profiles/me".parse().unwrap())
    }

    #[test]
    fn a_header_that_contains_the_token_is_removed_with_all_its_values() {
        let lines = filtered(
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
    fn responses_of_a_profile_are_not_stored() {
        let private = ["cache-control: private, no-store", "vary: authorization"];
        assert_eq!(
            filtered(&[("cache-control", "public, max-age=60")], 200, Some(&me())),
            private
        );
        assert_eq!(
            filtered(&[("cache-control", "no-cache")], 200, Some(&me())),
            private
        );
        assert_eq!(
            filtered(
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
            filtered(
                &[("cache-control", "no-store"), ("vary", "*")],
                200,
                Some(&me())
            ),
            ["cache-control: no-store", "vary: *"],
        );
        assert_eq!(
            filtered(&[("cache-control", "public")], 200, None),
            ["cache-control: public"]
        );
    }

    #[test]
    fn the_retry_after_of_a_429_is_bounded() {
        let with_value = |value| filtered(&[("retry-after", value)], 429, None);
        assert_eq!(with_value("120"), ["retry-after: 120"]);
        for other in ["", "<script>", "soon", "86401", "4fzKq0pLw8sN1vXyT2uR"] {
            assert!(with_value(other).is_empty(), "{other}");
        }
        let date = "Fri, 31 Dec 1999 23:59:59 GMT";
        let minute_before = ("date", "Fri, 31 Dec 1999 23:58:59 GMT");
        assert_eq!(
            filtered(&[("retry-after", date), minute_before], 429, None),
            ["date: Fri, 31 Dec 1999 23:58:59 GMT", "retry-after: 60"]
        );
    }
}
