use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::media::essence;

/// The protocol in which a rejection is encoded.
///
/// Each request determines it by its `Content-Type`, so one server can carry HTTP, gRPC and
/// gRPC-Web side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WireProtocol {
    /// HTTP: a rejection is a status and a JSON body. The protocol of every other `Content-Type`,
    /// and of requests without one.
    Http,
    /// gRPC over HTTP/2 (`application/grpc`): a rejection is a trailers-only response, status 200
    /// with `grpc-status`.
    Grpc,
    /// gRPC-Web (`application/grpc-web`): a rejection is encoded as for gRPC, with the media type
    /// of gRPC-Web.
    GrpcWeb,
    /// gRPC-Web with base64 bodies (`application/grpc-web-text`): a rejection is encoded as for
    /// gRPC, with the media type of gRPC-Web text.
    GrpcWebText,
}

impl WireProtocol {
    /// The protocol of a request with these headers.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let Some(media) = headers.get(CONTENT_TYPE).map(essence) else {
            return Self::Http;
        };
        if is_type(media, b"application/grpc") {
            Self::Grpc
        } else if is_type(media, b"application/grpc-web") {
            Self::GrpcWeb
        } else if is_type(media, b"application/grpc-web-text") {
            Self::GrpcWebText
        } else {
            Self::Http
        }
    }
}

/// Whether a media type is `expected`, with or without a message format such as `+proto`.
fn is_type(media: &[u8], expected: &[u8]) -> bool {
    let parts = media.split_at_checked(expected.len());
    parts.is_some_and(|(name, format)| {
        name.eq_ignore_ascii_case(expected) && (format.is_empty() || format.starts_with(b"+"))
    })
}
