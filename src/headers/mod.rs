//! Rules on headers: header policies, bearer credentials, hop-by-hop headers, media types.
//!
//! Each rule is a function of a [`HeaderMap`](http::HeaderMap), without a service or a body.
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
//!
//! # Files
//!
//! | file | role |
//! | --- | --- |
//! | `request_headers`, `response_headers` | the policies: which headers are forwarded |
//! | `list`, `retain` | a list of names; removes all other headers |
//! | `hop` | hop-by-hop headers, `Connection`, `TE` and WebSocket handshakes |
//! | `bearer` | the credential of `Authorization` |
//! | `media` | media types and content codings |
//! | `wire_protocol` | HTTP, gRPC or gRPC-Web |
//! | `retry_after`, `trace_context` | parse `Retry-After` and `traceparent` |
//! | `single_value` | the value of a header that may occur once |

mod bearer;
mod hop;
mod list;
mod media;
mod request_headers;
#[cfg(feature = "client")]
mod response_headers;
mod retain;
mod retry_after;
mod single_value;
#[cfg(feature = "client")]
mod trace_context;
mod wire_protocol;

pub use bearer::{Bearer, CredentialsError};
pub use hop::{HopByHopError, asks_for_websocket, remove_hop_by_hop};
#[cfg(feature = "client")]
pub(crate) use hop::{accepts_trailers, is_hop_by_hop, remove_nominated};
#[cfg(feature = "client")]
pub(crate) use list::{elements, has_element};
#[cfg(feature = "client")]
pub(crate) use media::accepts_anything;
pub(crate) use media::is_html;
pub use media::{is_form, is_json, is_unencoded};
pub use request_headers::RequestHeaders;
#[cfg(feature = "client")]
pub use response_headers::ResponseHeaders;
#[cfg(feature = "client")]
pub(crate) use retain::retain;
pub(crate) use retry_after::retry_after;
#[cfg(feature = "client")]
pub(crate) use single_value::Repeated;
pub(crate) use single_value::single_value;
#[cfg(feature = "client")]
pub(crate) use trace_context::remove_invalid_trace_context;
pub use wire_protocol::WireProtocol;

#[cfg(test)]
pub(crate) mod tests;
