use http::StatusCode;

/// Declares the kinds and, beside each, its row of the table.
macro_rules! table {
    ($($(#[$doc:meta])* $kind:ident => $status:ident, $grpc:literal, $code:literal, $message:literal;)*) => {
        /// What was refused, or failed: the row of the answer table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum RejectionKind {
            $($(#[$doc])* $kind,)*
        }

        impl RejectionKind {
            /// Every kind, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The HTTP status it is answered with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)* }
            }

            /// The [gRPC status](https://grpc.io/docs/guides/status-codes/) it is answered with.
            pub const fn grpc_status(self) -> u8 {
                match self { $(Self::$kind => $grpc,)* }
            }

            /// A stable name for logs and metrics.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$kind => $code,)* }
            }

            /// What the client reads, unless the case has words of its own.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$kind => $message,)* }
            }

            /// The same as a JSON object, ready to be sent.
            pub(super) const fn json(self) -> &'static str {
                match self { $(Self::$kind => concat!("{\"message\":\"", $message, "\"}"),)* }
            }
        }
    };
}

table! {
    /// No credential was presented.
    MissingCredentials => UNAUTHORIZED, 16, "missing_credentials", "Unauthenticated.";
    /// A token was presented and is not good, for whatever reason.
    InvalidToken => UNAUTHORIZED, 16, "invalid_token", "Unauthenticated.";
    /// Credentials contradict each other: two `Authorization` headers.
    AmbiguousCredentials => BAD_REQUEST, 3, "ambiguous_credentials", "More than one credential was sent.";
    /// The credential is good and does not reach this far.
    Forbidden => FORBIDDEN, 7, "forbidden", "This action is unauthorized.";
    /// No such route, or no such thing behind it.
    NotFound => NOT_FOUND, 5, "not_found", "Not found.";
    /// `me` of a token that speaks for nobody.
    NoProfile => NOT_FOUND, 5, "no_profile", "Not found.";
    /// A path that could be read in two ways.
    PathRefused => NOT_FOUND, 5, "path_refused", "Not found.";
    /// A known path, another method.
    MethodNotAllowed => METHOD_NOT_ALLOWED, 12, "method_not_allowed", "The method is not allowed here.";
    /// A WebSocket handshake.
    UpgradeRefused => NOT_IMPLEMENTED, 12, "upgrade_refused", "A change of protocol is not possible here.";
    /// A query parameter that would change what the tenant is asked.
    QueryRefused => BAD_REQUEST, 3, "query_refused", "The query holds a parameter that is not allowed here.";
    /// Headers that contradict each other or are malformed.
    HeadersRefused => BAD_REQUEST, 3, "headers_refused", "The request headers are malformed.";
    /// A request target beyond any that makes sense.
    UriTooLong => URI_TOO_LONG, 3, "uri_too_long", "The request target is too long.";
    /// A body that is not what its declaration says.
    MalformedBody => BAD_REQUEST, 3, "malformed_body", "The request body is malformed.";
    /// A request body that ended early or was broken off.
    BodyAborted => BAD_REQUEST, 1, "body_aborted", "The request body ended early.";
    /// A request body that was idle for too long, or took too long in total.
    RequestTimeout => REQUEST_TIMEOUT, 4, "request_timeout", "The request body did not arrive in time.";
    /// A body over the limit.
    PayloadTooLarge => PAYLOAD_TOO_LARGE, 8, "payload_too_large", "The request body is too large.";
    /// A body in another media type or content coding.
    UnsupportedMediaType => UNSUPPORTED_MEDIA_TYPE, 3, "unsupported_media_type", "The request body must be application/json in UTF-8, not compressed.";
    /// A body whose fields are not as they have to be.
    InvalidFields => UNPROCESSABLE_ENTITY, 3, "invalid_fields", "The given data was invalid.";
    /// The tenant asks for fewer requests.
    TooManyRequests => TOO_MANY_REQUESTS, 8, "too_many_requests", "Too many requests.";
    /// The tenant could not be reached.
    TenantUnreachable => BAD_GATEWAY, 14, "tenant_unreachable", "The upstream service cannot be reached.";
    /// The tenant does not take our own API token.
    TenantCredentials => BAD_GATEWAY, 14, "tenant_credentials", "The upstream service refused the request.";
    /// The tenant answered something that cannot be used.
    TenantAnswer => BAD_GATEWAY, 14, "tenant_answer", "The upstream service gave an unusable answer.";
    /// The tenant failed.
    TenantFailed => BAD_GATEWAY, 14, "tenant_failed", "The upstream service failed.";
    /// No token can be minted: the ring has no key to sign with.
    NoSigningKey => SERVICE_UNAVAILABLE, 14, "no_signing_key", "No token can be issued at present.";
    /// The tenant, or the way to it, is busy.
    TenantBusy => SERVICE_UNAVAILABLE, 14, "tenant_busy", "The upstream service is busy.";
    /// The tenant did not answer in time.
    TenantTimeout => GATEWAY_TIMEOUT, 4, "tenant_timeout", "The upstream service did not answer in time.";
}
