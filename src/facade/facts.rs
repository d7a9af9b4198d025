use http::Response;

use crate::report::{Report, Route, TokenCheck};

/// What is known of a request before its answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    pub(super) route: Option<Route>,
    pub(super) token: Option<TokenCheck>,
}

impl Facts {
    /// Adds it to what the layers have left in the answer. Where the tenant was called, that is a
    /// report already, and costs no allocation more.
    pub(super) fn tell<B>(self, response: &mut Response<B>) {
        let report: &mut Report = response.extensions_mut().get_or_insert_default();
        report.route = self.route;
        report.token = self.token;
    }
}
