//! The outcome of a request, for metrics: plain values in the response's extensions.
//!
//! [`OmneoId`](crate::OmneoId) inserts one [`Report`] into every response, so that a host counts
//! and measures without parsing logs. A [`Rejection`](crate::Rejection) beside it has the reason of
//! a rejected request, and an [`UpsertOutcome`](crate::upsert::UpsertOutcome) the result of a
//! sign-up. The forwarding service, the token endpoint and the sign-up also insert a report when
//! they are used alone: it has their calls of the tenant.
//!
//! ```
//! use http::Response;
//! use omneo_id::Rejection;
//! use omneo_id::report::Report;
//!
//! fn count<B>(response: &Response<B>) {
//!     let report = response.extensions().get::<Report>().copied().unwrap_or_default();
//!     let route = report.route().map_or("none", |route| route.name());
//!     let rejection = response.extensions().get::<Rejection>();
//!     let code = rejection.map(|rejection| rejection.kind().code());
//!     let latency = report.tenant().map(|tenant| tenant.latency());
//!     # let _ = (route, code, latency);
//! }
//! # count(&Response::new(()));
//! ```

use std::time::Duration;

use http::{Extensions, StatusCode};

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

/// A route of [`OmneoId`](crate::OmneoId).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// `/auth/token`
    Token,
    /// `/auth/revoke`
    Revoke,
    /// `/auth/refresh`
    Refresh,
    /// `/auth/jwks`
    Jwks,
    /// `/profiles/me`
    Me,
    /// Below `/profiles/me`
    MeResource,
    /// `/profiles`
    Profiles,
    /// `/locations`
    Locations,
    /// `/locations/{id}`
    Location,
    /// `/hooks/omneo`
    Webhook,
}

impl Route {
    /// Every route, for example to create one counter for each.
    ///
    /// ```
    /// use omneo_id::report::Route;
    ///
    /// let names: Vec<&str> = Route::all().map(Route::name).collect();
    /// assert!(names.contains(&"me_resource"));
    /// ```
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        [
            Self::Token,
            Self::Revoke,
            Self::Refresh,
            Self::Jwks,
            Self::Me,
            Self::MeResource,
            Self::Profiles,
            Self::Locations,
            Self::Location,
            Self::Webhook,
        ]
        .into_iter()
    }

    /// A stable name for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Revoke => "revoke",
            Self::Refresh => "refresh",
            Self::Jwks => "jwks",
            Self::Me => "me",
            Self::MeResource => "me_resource",
            Self::Profiles => "profiles",
            Self::Locations => "locations",
            Self::Location => "location",
            Self::Webhook => "webhook",
        }
    }

    /// The template of the path below the mount, as in the attribute `http.route`.
    pub const fn template(self) -> &'static str {
        match self {
            Self::Token => "/auth/token",
            Self::Revoke => "/auth/revoke",
            Self::Refresh => "/auth/refresh",
            Self::Jwks => "/auth/jwks",
            Self::Me => "/profiles/me",
            Self::MeResource => "/profiles/me/{*rest}",
            Self::Profiles => "/profiles",
            Self::Locations => "/locations",
            Self::Location => "/locations/{id}",
            Self::Webhook => "/hooks/omneo",
        }
    }
}

/// How a valid ID token was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenCheck {
    /// The token was in the cache of verified tokens.
    Remembered,
    /// The signature was verified.
    Verified,
}

impl TokenCheck {
    /// A stable name for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Remembered => "remembered",
            Self::Verified => "verified",
        }
    }
}

/// The calls of the tenant for one request. Only a sign-up or a mint makes more than one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantCalls {
    calls: u32,
    status: Option<StatusCode>,
    latency: Duration,
}

impl TenantCalls {
    /// The number of calls. A retry by the client does not count.
    pub fn calls(&self) -> u32 {
        self.calls
    }

    /// The status of the tenant's last response, before it was changed here; `None` if the tenant
    /// did not respond.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// The total time until the heads of the tenant's responses arrived.
    pub fn latency(&self) -> Duration {
        self.latency
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

    #[test]
    fn all_routes_are_listed_once() {
        let names: std::collections::BTreeSet<_> = Route::all().map(Route::name).collect();
        assert_eq!(names.len(), Route::all().len());
    }
}
