use http::StatusCode;

use crate::rejection::{RejectionKind, TenantStatusRules};
use crate::tenant::ApiToken;

/// The credential of a call: a 401 from the tenant refers to it.
#[derive(Clone, Debug)]
pub(in crate::upstream) enum Credential {
    /// The API token of the tenant.
    Tenant,
    /// A token that the caller sent.
    Caller(ApiToken),
}

/// Checks that a response of this status can be forwarded. `has_range`: the request has a `Range`.
///
/// # Errors
/// The kind of the rejection that replaces the response.
pub(in crate::upstream) fn check_status(
    status: StatusCode,
    credential: &Credential,
    has_range: bool,
) -> Result<(), RejectionKind> {
    let rules = match credential {
        Credential::Tenant => TenantStatusRules::FORWARDED,
        Credential::Caller(_) => TenantStatusRules::FORWARDED_AS_CALLER,
    };
    match status {
        // RFC 9110 §15.3.7: the response to a range request. Without one, the client would treat
        // it as a whole response, and the secret scanner cannot find a token split over ranges.
        StatusCode::PARTIAL_CONTENT if !has_range => Err(RejectionKind::TenantAnswer),
        // `Upgrade` is never forwarded, and other 1xx are not final responses.
        status if status.is_informational() => Err(RejectionKind::TenantAnswer),
        // These concern the connection to the tenant: proxy credentials, host, protocol.
        StatusCode::PROXY_AUTHENTICATION_REQUIRED
        | StatusCode::MISDIRECTED_REQUEST
        | StatusCode::UPGRADE_REQUIRED => Err(RejectionKind::TenantAnswer),
        status if status.as_u16() >= 600 => Err(RejectionKind::TenantAnswer),
        status => rules.kind(status).map_or(Ok(()), Err),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_errors_and_connection_statuses_are_replaced() {
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
            let result = check_status(status, &Credential::Tenant, false);
            assert_eq!(result, expected, "{status}");
        }
        let partial = StatusCode::PARTIAL_CONTENT;
        assert_eq!(check_status(partial, &Credential::Tenant, true), Ok(()));
    }

    #[test]
    fn a_401_to_a_callers_token_is_forwarded() {
        let credential = Credential::Caller(ApiToken::new("of-the-caller").unwrap());
        assert_eq!(
            check_status(StatusCode::UNAUTHORIZED, &credential, false),
            Ok(())
        );
        assert!(check_status(StatusCode::INTERNAL_SERVER_ERROR, &credential, false).is_err());
    }
}
