use http::{HeaderMap, StatusCode};

use super::{Rejection, RejectionKind};
use crate::headers::retry_after;

/// Maps the tenant's status to a rejection: one table, with the statuses on which the routes differ
/// as parameters.
///
/// A status without a kind is not a rejection by itself: the route forwards or interprets it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TenantStatusRules {
    unauthorized: Option<RejectionKind>,
    forbidden: Option<RejectionKind>,
    request_timeout: Option<RejectionKind>,
    too_many_requests: Option<RejectionKind>,
}

impl TenantStatusRules {
    /// For a client's request that is forwarded with the configured API token. A 403 and a 429
    /// concern the request, and are forwarded. A 401 concerns our API token.
    #[cfg(feature = "client")]
    pub(crate) const FORWARDED: Self = Self {
        unauthorized: Some(RejectionKind::TenantCredentials),
        forbidden: None,
        request_timeout: None,
        too_many_requests: None,
    };

    /// For a request that is forwarded with the caller's API token: a 401 is about that token.
    #[cfg(feature = "client")]
    pub(crate) const FORWARDED_AS_CALLER: Self = Self {
        unauthorized: None,
        ..Self::FORWARDED
    };

    /// For the calls of a sign-up, which use the configured API token. The client did not send
    /// these calls, so a 408 is a timeout of the tenant.
    pub(crate) const SIGN_UP: Self = Self {
        unauthorized: Some(RejectionKind::TenantCredentials),
        forbidden: Some(RejectionKind::TenantCredentials),
        request_timeout: Some(RejectionKind::TenantTimeout),
        too_many_requests: Some(RejectionKind::TooManyRequests),
    };

    /// For the look-up of the token endpoint, with the configured API token.
    pub(crate) const MINT: Self = Self {
        request_timeout: None,
        ..Self::SIGN_UP
    };

    /// For the look-up of the token endpoint, with the caller's API token: a 401 and a 403 are the
    /// caller's own.
    pub(crate) const MINT_AS_CALLER: Self = Self {
        unauthorized: Some(RejectionKind::InvalidToken),
        forbidden: Some(RejectionKind::Forbidden),
        ..Self::MINT
    };

    /// The kind of rejection that this status leads to, if any.
    pub(crate) fn kind(&self, status: StatusCode) -> Option<RejectionKind> {
        match status {
            StatusCode::UNAUTHORIZED => self.unauthorized,
            StatusCode::FORBIDDEN => self.forbidden,
            StatusCode::REQUEST_TIMEOUT => self.request_timeout,
            StatusCode::TOO_MANY_REQUESTS => self.too_many_requests,
            StatusCode::SERVICE_UNAVAILABLE => Some(RejectionKind::TenantBusy),
            StatusCode::GATEWAY_TIMEOUT => Some(RejectionKind::TenantTimeout),
            // The body of an error page may contain anything, the tenant's credentials included.
            status if status.is_server_error() => Some(RejectionKind::TenantFailed),
            _ => None,
        }
    }

    /// The rejection that this status leads to, if any. A 429 and a 503 keep the tenant's
    /// `Retry-After`.
    pub(crate) fn rejection(&self, status: StatusCode, headers: &HeaderMap) -> Option<Rejection> {
        let kind = self.kind(status)?;
        let can_retry = matches!(
            kind,
            RejectionKind::TooManyRequests | RejectionKind::TenantBusy
        );
        let after = retry_after(headers).filter(|_| can_retry);
        let rejection = Rejection::new(kind);
        Some(match after {
            Some(after) => rejection.with_retry_after(after),
            None => rejection,
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::RETRY_AFTER;

    use super::*;

    #[test]
    fn routes_differ_only_in_401_403_408_and_429() {
        use RejectionKind::*;
        let rules = [
            TenantStatusRules::SIGN_UP,
            TenantStatusRules::MINT,
            TenantStatusRules::MINT_AS_CALLER,
        ];
        for (status, expected) in [
            (200, [None; 3]),
            (302, [None; 3]),
            (
                401,
                [
                    Some(TenantCredentials),
                    Some(TenantCredentials),
                    Some(InvalidToken),
                ],
            ),
            (
                403,
                [
                    Some(TenantCredentials),
                    Some(TenantCredentials),
                    Some(Forbidden),
                ],
            ),
            (404, [None; 3]),
            (408, [Some(TenantTimeout), None, None]),
            (422, [None; 3]),
            (429, [Some(TooManyRequests); 3]),
            (500, [Some(TenantFailed); 3]),
            (503, [Some(TenantBusy); 3]),
            (504, [Some(TenantTimeout); 3]),
            (599, [Some(TenantFailed); 3]),
            (600, [None; 3]),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(rules.map(|rules| rules.kind(status)), expected, "{status}");
        }
    }

    #[test]
    fn only_a_429_and_a_503_keep_retry_after() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        for (status, expected) in [
            (StatusCode::TOO_MANY_REQUESTS, Some(7)),
            (StatusCode::SERVICE_UNAVAILABLE, Some(7)),
            (StatusCode::GATEWAY_TIMEOUT, None),
            (StatusCode::INTERNAL_SERVER_ERROR, None),
        ] {
            let rejection = TenantStatusRules::SIGN_UP.rejection(status, &headers);
            let after = rejection.and_then(|rejection| rejection.retry_after());
            assert_eq!(after.map(|after| after.as_secs()), expected, "{status}");
        }
    }
}
