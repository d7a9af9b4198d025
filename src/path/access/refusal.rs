use std::fmt;

/// Why a policy rejects a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessRefusal {
    /// The path is not permitted with any method.
    Path,
    /// The path is permitted, but not with this method.
    Method {
        /// The permitted methods, as in the `Allow` header.
        allow: String,
    },
    /// The method is permitted on the path, but not with one of the fields of the request. The
    /// name of the field is in the response only, because it is input of the client.
    Field,
}

impl fmt::Display for AccessRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "the access policy does not permit the path",
            Self::Method { .. } => "the access policy does not permit the method on this path",
            Self::Field => "the access policy does not permit a field of the request",
        })
    }
}

impl std::error::Error for AccessRefusal {}
