#[cfg(feature = "client")]
use std::time::Duration;

use http::Extensions;
#[cfg(feature = "client")]
use http::StatusCode;

use super::{Route, TenantCalls, TokenCheck};

/// The outcome of a request, in the extensions of its response.
///
/// See the [module docs](self). It contains no data that a client has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    route: Option<Route>,
    token: Option<TokenCheck>,
    tenant: Option<TenantCalls>,
}

impl Report {
    /// The route of the request; `None` if its path has none.
    pub fn route(&self) -> Option<Route> {
        self.route
    }

    /// How a valid ID token was checked; `None` if the request had none.
    pub fn token(&self) -> Option<TokenCheck> {
        self.token
    }

    /// The calls of the tenant; `None` if there were none.
    pub fn tenant(&self) -> Option<TenantCalls> {
        self.tenant
    }

    /// A report without calls of the tenant.
    #[cfg(feature = "client")]
    pub(crate) fn new(route: Route, token: Option<TokenCheck>) -> Self {
        Self {
            route: Some(route),
            token,
            tenant: None,
        }
    }

    /// A report of one call of the tenant. `status` is `None` if the tenant did not respond.
    #[cfg(feature = "client")]
    pub(crate) fn from_call(status: Option<StatusCode>, latency: Duration) -> Self {
        Self {
            tenant: Some(TenantCalls {
                calls: 1,
                status,
                latency,
            }),
            ..Self::default()
        }
    }

    /// Adds a call from the report in the extensions of the inner service's response.
    pub(crate) fn add_call(&mut self, extensions: &Extensions) {
        let Some(call) = extensions.get::<Self>().and_then(Self::tenant) else {
            return;
        };
        let before = self.tenant.unwrap_or_default();
        self.tenant = Some(TenantCalls {
            calls: before.calls.saturating_add(call.calls),
            status: call.status,
            latency: before.latency.saturating_add(call.latency),
        });
    }

    /// Adds the route and the token check to the report of the layers, or inserts a new report. A
    /// response of the tenant already has one, so this costs no further allocation.
    #[cfg(feature = "client")]
    pub(crate) fn merge_into(self, extensions: &mut Extensions) {
        let report: &mut Self = extensions.get_or_insert_default();
        report.route = self.route;
        report.token = self.token;
    }
}

#[cfg(feature = "client")]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_summed_and_the_last_status_is_kept() {
        let mut sum = Report::default();
        sum.add_call(&Extensions::new());
        assert_eq!(sum.tenant(), None);
        for (status, ms) in [(Some(StatusCode::OK), 3), (None, 4)] {
            let mut extensions = Extensions::new();
            extensions.insert(Report::from_call(status, Duration::from_millis(ms)));
            sum.add_call(&extensions);
        }
        let calls = sum.tenant().unwrap();
        assert_eq!((calls.calls(), calls.status()), (2, None));
        assert_eq!(calls.latency(), Duration::from_millis(7));
    }
}
