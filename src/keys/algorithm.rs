use std::fmt;

/// Declares the algorithms. An algorithm has the same name here, in the `alg` header and in the
/// backend.
macro_rules! algorithms {
    ($($(#[$doc:meta])* $name:ident: $family:ident, $signature:expr;)*) => {
        /// How a key signs: a JWS algorithm of
        /// [RFC 7518 §3.1](https://www.rfc-editor.org/rfc/rfc7518#section-3.1) or
        /// [RFC 8037](https://www.rfc-editor.org/rfc/rfc8037).
        ///
        /// `none` is not supported.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Algorithm {
            $($(#[$doc])* $name,)*
        }

        impl Algorithm {
            /// The value of an `alg` header.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The algorithm of an `alg` header: case-sensitive, as RFC 7515 §4.1.1 has it.
            pub(crate) fn from_name(name: &str) -> Option<Self> {
                match name { $(stringify!($name) => Some(Self::$name),)* _ => None }
            }

            pub(super) const fn family(self) -> Family {
                match self { $(Self::$name => Family::$family,)* }
            }

            /// The length of a signature in bytes; `None` if it depends on the key.
            pub(super) const fn signature_len(self) -> Option<usize> {
                match self { $(Self::$name => $signature,)* }
            }

            pub(super) const fn to_backend(self) -> jsonwebtoken::Algorithm {
                match self { $(Self::$name => jsonwebtoken::Algorithm::$name,)* }
            }
        }
    };
}

/// The kind of key that an algorithm needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Hmac,
    P256,
    P384,
    Ed25519,
    Rsa,
}

algorithms! {
    /// HMAC with SHA-256: one secret signs and verifies.
    HS256: Hmac, Some(32);
    /// HMAC with SHA-384.
    HS384: Hmac, Some(48);
    /// HMAC with SHA-512.
    HS512: Hmac, Some(64);
    /// ECDSA on P-256 with SHA-256.
    ES256: P256, Some(64);
    /// ECDSA on P-384 with SHA-384.
    ES384: P384, Some(96);
    /// Ed25519.
    EdDSA: Ed25519, Some(64);
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256: Rsa, None;
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384: Rsa, None;
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512: Rsa, None;
    /// RSASSA-PSS with SHA-256.
    PS256: Rsa, None;
    /// RSASSA-PSS with SHA-384.
    PS384: Rsa, None;
    /// RSASSA-PSS with SHA-512.
    PS512: Rsa, None;
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
