//! What became of a request, for metrics: plain values in the response's extensions.
//!
//! [`OmneoId`](crate::OmneoId) leaves one [`Report`] in every response, so that a host counts and
//! measures without reading logs. Why something was refused is beside it, as a
//! [`Rejection`](crate::Rejection), and what came of a sign-up as an
//! [`UpsertOutcome`](crate::upsert::UpsertOutcome). The layers leave what they know when they are
//! used alone, too: the forwarding service, the token endpoint and the sign-up say how the tenant
//! was called.
//!
//! ```
//! use http::Response;
//! use omneo_id::Rejection;
//! use omneo_id::report::Report;
//!
//! fn count<B>(response: &Response<B>) {
//!     let report = response.extensions().get::<Report>().copied().unwrap_or_default();
//!     let route = report.route().map_or("none", |route| route.name());
//!     let refused = response.extensions().get::<Rejection>().map(|refused| refused.kind().code());
//!     let waited = report.tenant().map(|tenant| tenant.latency());
//!     # let _ = (route, refused, waited);
//! }
//! # count(&Response::new(()));
//! ```

use std::time::Duration;

use http::{Extensions, StatusCode};

/// What became of a request, in the extensions of its response.
///
/// See the [module docs](self). It holds nothing that a client has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub(crate) route: Option<Route>,
    pub(crate) token: Option<TokenCheck>,
    tenant: Option<TenantCalls>,
}

impl Report {
    /// What was asked for; `None` where there is no such route.
    pub fn route(&self) -> Option<Route> {
        self.route
    }

    /// How a good ID token was found good; `None` if there was none.
    pub fn token(&self) -> Option<TokenCheck> {
        self.token
    }

    /// What was asked of the tenant; `None` if nothing was.
    pub fn tenant(&self) -> Option<TenantCalls> {
        self.tenant
    }

    /// Of one call of the tenant, which answered with this status or not at all.
    #[cfg(feature = "client")]
    pub(crate) fn of_call(status: Option<StatusCode>, latency: Duration) -> Self {
        Self {
            tenant: Some(TenantCalls {
                calls: 1,
                status,
                latency,
            }),
            ..Self::default()
        }
    }

    /// Adds a call that an answer of the inner service tells of.
    pub(crate) fn add_call(&mut self, answer: &Extensions) {
        let Some(call) = answer.get::<Self>().and_then(Self::tenant) else {
            return;
        };
        let before = self.tenant.unwrap_or_default();
        self.tenant = Some(TenantCalls {
            calls: before.calls.saturating_add(call.calls),
            status: call.status,
            latency: before.latency.saturating_add(call.latency),
        });
    }
}

/// What [`OmneoId`](crate::OmneoId) can be asked for: a closed table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// `/auth/token`
    Token,
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
}

impl Route {
    /// Every route.
    pub const ALL: [Self; 6] = [
        Self::Token,
        Self::Me,
        Self::MeResource,
        Self::Profiles,
        Self::Locations,
        Self::Location,
    ];

    /// A stable name for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Me => "me",
            Self::MeResource => "me_resource",
            Self::Profiles => "profiles",
            Self::Locations => "locations",
            Self::Location => "location",
        }
    }

    /// Its template below the mount, as `http.route` holds it.
    pub const fn template(self) -> &'static str {
        match self {
            Self::Token => "/auth/token",
            Self::Me => "/profiles/me",
            Self::MeResource => "/profiles/me/{*rest}",
            Self::Profiles => "/profiles",
            Self::Locations => "/locations",
            Self::Location => "/locations/{id}",
        }
    }
}

/// How an ID token was found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenCheck {
    /// It had been verified before.
    Remembered,
    /// Its signature was verified.
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

/// The calls of the tenant that one request led to: one, or those of a sign-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantCalls {
    calls: u32,
    status: Option<StatusCode>,
    latency: Duration,
}

impl TenantCalls {
    /// How many there were. What a client repeats by itself counts once.
    pub fn calls(&self) -> u32 {
        self.calls
    }

    /// The status of the tenant's last answer, before anything was made of it; `None` if it gave
    /// none.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// How long it took until the heads of the tenant's answers were there, in all.
    pub fn latency(&self) -> Duration {
        self.latency
    }
}

#[cfg(all(test, feature = "client"))]
mod tests {
    use super::*;

    #[test]
    fn calls_add_up_and_the_last_answer_counts() {
        let mut sum = Report::default();
        sum.add_call(&Extensions::new());
        assert_eq!(sum.tenant(), None);
        for (status, ms) in [(Some(StatusCode::OK), 3), (None, 4)] {
            let mut answer = Extensions::new();
            answer.insert(Report::of_call(status, Duration::from_millis(ms)));
            sum.add_call(&answer);
        }
        let calls = sum.tenant().unwrap();
        assert_eq!((calls.calls(), calls.status()), (2, None));
        assert_eq!(calls.latency(), Duration::from_millis(7));
    }
}
