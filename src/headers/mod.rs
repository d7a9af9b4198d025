//! Pure rules on headers: who may pass, who is asking, what is a credential.
//!
//! Nothing here knows a service or a body; each rule can be called and tested on a
//! [`HeaderMap`](http::HeaderMap) alone.

mod allow;
mod bearer;
mod hop;
mod media;
mod retain;

pub use allow::RequestHeaders;
pub use bearer::{Bearer, CredentialsError};
pub use hop::{HopByHopError, asks_for_upgrade, remove_hop_by_hop};
#[cfg(feature = "client")]
pub(crate) use hop::{is_hop_by_hop, remove_nominated, takes_trailers};
pub use media::{Dialect, is_form, is_json, is_unencoded};
#[cfg(feature = "client")]
pub(crate) use retain::retain;
