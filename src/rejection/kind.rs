use http::StatusCode;

/// Declares the kinds and, beside each, its row of the table.
macro_rules! table {
    ($(
        $(#[$doc:meta])*
        $kind:ident => $status:ident, $grpc:literal, $code:literal, $message:literal;
    )*) => {
        /// The kind of a rejection: a row of the rejection table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum RejectionKind {
            $($(#[$doc])* $kind,)*
        }

        impl RejectionKind {
            /// Every kind, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The HTTP status of the response.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)* }
            }

            /// The [gRPC status](https://grpc.io/docs/guides/status-codes/) of the response.
            pub const fn grpc_status(self) -> u8 {
                match self { $(Self::$kind => $grpc,)* }
            }

            /// A stable name for logs and metrics.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$kind => $code,)* }
            }

            /// The message that the client receives, unless the rejection replaces it.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$kind => $message,)* }
            }

            /// The message as a JSON object: the response body.
            pub(super) const fn json(self) -> &'static str {
                match self { $(Self::$kind => concat!("{\"message\":\"", $message, "\"}"),)* }
            }
        }
    };
}

table! {
    /// No credential was presented.
    MissingCredentials => UNAUTHORIZED, 16, "missing_credentials", "Unauthenticated.";
    /// A token was presented and is invalid, for any reason.
    InvalidToken => UNAUTHORIZED, 16, "invalid_token", "Unauthenticated.";
    /// A webhook whose signature is missing or invalid.
    InvalidSignature => UNAUTHORIZED, 16, "invalid_signature", "Unauthenticated.";
    /// Credentials contradict each other: two `Authorization` headers.
    AmbiguousCredentials => BAD_REQUEST, 3, "ambiguous_credentials",
        "More than one credential was sent.";
    /// The credential is valid and lacks the permission.
    Forbidden => FORBIDDEN, 7, "forbidden", "This action is unauthorized.";
    /// A field that the access policy does not allow.
    FieldNotAllowed => FORBIDDEN, 7, "field_not_allowed",
        "The request holds a field that is not allowed here.";
    /// An unknown route or resource.
    NotFound => NOT_FOUND, 5, "not_found", "Not found.";
    /// `me` with an anonymous token.
    NoProfile => NOT_FOUND, 5, "no_profile", "Not found.";
    /// An ambiguous path: servers could interpret it differently.
    PathRefused => NOT_FOUND, 5, "path_refused", "Not found.";
    /// A known path with an unsupported method.
    MethodNotAllowed => METHOD_NOT_ALLOWED, 12, "method_not_allowed",
        "The method is not allowed here.";
    /// A WebSocket handshake.
    UpgradeRefused => NOT_IMPLEMENTED, 12, "upgrade_refused",
        "A change of protocol is not possible here.";
    /// A query parameter that would change the profile that the tenant selects.
    QueryRefused => BAD_REQUEST, 3, "query_refused",
        "The query holds a parameter that is not allowed here.";
    /// Contradictory or malformed headers.
    HeadersRefused => BAD_REQUEST, 3, "headers_refused", "The request headers are malformed.";
    /// A request target over the length limit.
    UriTooLong => URI_TOO_LONG, 3, "uri_too_long", "The request target is too long.";
    /// A body that does not have its declared length or format.
    MalformedBody => BAD_REQUEST, 3, "malformed_body", "The request body is malformed.";
    /// A request body that ended early or was aborted.
    BodyAborted => BAD_REQUEST, 1, "body_aborted", "The request body ended early.";
    /// A request body that was idle for too long, or took too long in total.
    RequestTimeout => REQUEST_TIMEOUT, 4, "request_timeout",
        "The request body did not arrive in time.";
    /// A body over the limit.
    PayloadTooLarge => PAYLOAD_TOO_LARGE, 8, "payload_too_large", "The request body is too large.";
    /// A body in another media type or content coding.
    UnsupportedMediaType => UNSUPPORTED_MEDIA_TYPE, 3, "unsupported_media_type",
        "The request body must be application/json in UTF-8, not compressed.";
    /// A body with invalid fields.
    InvalidFields => UNPROCESSABLE_ENTITY, 3, "invalid_fields", "The given data was invalid.";
    /// The tenant limits the rate of requests.
    TooManyRequests => TOO_MANY_REQUESTS, 8, "too_many_requests", "Too many requests.";
    /// No connection to the tenant.
    TenantUnreachable => BAD_GATEWAY, 14, "tenant_unreachable",
        "The upstream service cannot be reached.";
    /// The tenant rejects the configured API token.
    TenantCredentials => BAD_GATEWAY, 14, "tenant_credentials",
        "The upstream service refused the request.";
    /// The tenant's response cannot be used.
    TenantAnswer => BAD_GATEWAY, 14, "tenant_answer",
        "The upstream service gave an unusable answer.";
    /// The tenant responded with a 5xx.
    TenantFailed => BAD_GATEWAY, 14, "tenant_failed", "The upstream service failed.";
    /// No token can be minted: the ring has no signing key.
    NoSigningKey => SERVICE_UNAVAILABLE, 14, "no_signing_key", "No token can be issued at present.";
    /// A session cannot be ended, or a token cannot be checked: the set of revocations is full, or
    /// its store does not respond.
    RevocationUnavailable => SERVICE_UNAVAILABLE, 14, "revocation_unavailable",
        "Sessions cannot be checked or ended at present.";
    /// The settings of the tenant cannot be loaded from their source.
    TenantNotLoaded => SERVICE_UNAVAILABLE, 14, "tenant_not_loaded",
        "The service is not available at present.";
    /// The tenant, or the connection pool to it, is at capacity.
    TenantBusy => SERVICE_UNAVAILABLE, 14, "tenant_busy", "The upstream service is busy.";
    /// The tenant did not respond in time.
    TenantTimeout => GATEWAY_TIMEOUT, 4, "tenant_timeout",
        "The upstream service did not answer in time.";
}
