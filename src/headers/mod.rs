//! Pure rules on headers: who may pass, who is asking, what is a credential.
//!
//! Nothing here knows a service or a body; each rule can be called and tested on a
//! [`HeaderMap`](http::HeaderMap) alone.
//!
//! ```
//! use http::HeaderMap;
//! use omneo_id::headers::{Bearer, WireProtocol, RequestHeaders, remove_hop_by_hop};
//!
//! let mut headers = HeaderMap::new();
//! headers.insert("authorization", "Bearer abc.def.ghi".parse()?);
//! headers.insert("connection", "x-mine".parse()?);
//! headers.insert("x-mine", "for this hop".parse()?);
//! headers.insert("accept-language", "en".parse()?);
//!
//! assert_eq!(WireProtocol::from_headers(&headers), WireProtocol::Http);
//! assert_eq!(Bearer::from_headers(&headers)?.unwrap().as_str(), "abc.def.ghi");
//! remove_hop_by_hop(&mut headers)?;
//! RequestHeaders::default().retain(&mut headers);
//! assert_eq!(headers.len(), 1, "the language, and nothing else");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bearer;
#[cfg(feature = "client")]
mod census;
mod hop;
mod media;
mod request_headers;
#[cfg(feature = "client")]
mod response_headers;
mod retain;
mod retry_after;
#[cfg(feature = "client")]
mod trace_context;

pub use bearer::{Bearer, CredentialsError};
#[cfg(feature = "client")]
pub(crate) use census::{Census, Special};
pub use hop::{HopByHopError, asks_for_websocket, remove_hop_by_hop};
#[cfg(feature = "client")]
pub(crate) use hop::{is_hop_by_hop, remove_nominated, takes_trailers};
#[cfg(feature = "client")]
pub(crate) use media::accepts_anything;
pub(crate) use media::is_html;
pub use media::{WireProtocol, is_form, is_json, is_unencoded};
pub use request_headers::RequestHeaders;
#[cfg(feature = "client")]
pub use response_headers::ResponseHeaders;
#[cfg(feature = "client")]
pub(crate) use retain::retain;
pub(crate) use retry_after::retry_after;
#[cfg(feature = "client")]
pub(crate) use trace_context::settle_trace_context;
