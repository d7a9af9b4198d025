//! Parses key files and converts keys to the backend's encoding.

use jsonwebtoken::{DecodingKey, EncodingKey};
use zeroize::Zeroizing;

use super::algorithm::Family;
use super::der::{self, BIT_STRING, CONTEXT_0, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE};
use super::{Algorithm, backend};
use crate::error::{ConfigError, ConfigErrorKind};

const ID_EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ID_P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const ID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// The sizes of an RSA modulus that both backends accept, in bits. Smaller ones can be factored.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

pub(super) fn invalid(why: &'static str) -> ConfigError {
    ConfigError::new(ConfigErrorKind::InvalidKey, why)
}

const NOT_PRIVATE: &str = "the private key is neither PKCS#8 nor PKCS#1 \
                           of a kind that can be used: \
                           Ed25519, P-256, P-384 or RSA";
const NOT_PUBLIC: &str =
    "the public key is not of a kind that can be used: Ed25519, P-256, P-384 or RSA";

/// A private key, in the encoding that the backend expects for its family.
pub(super) struct PrivateKey {
    pub(super) family: Family,
    pub(super) key: EncodingKey,
    pub(super) public: PublicKey,
}

/// The parameters of a public key as in RFC 7518 §6: big-endian bytes.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum PublicKey {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256 { point: Vec<u8> },
    P384 { point: Vec<u8> },
    Ed25519 { x: Vec<u8> },
}

impl PrivateKey {
    pub(super) fn from_pem(pem: &[u8]) -> Result<Self, ConfigError> {
        let (label, der) = der::from_pem(pem)
            .ok_or_else(|| invalid("a key file must have exactly one PEM block"))?;
        match label {
            "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => Self::from_der(&der),
            "ENCRYPTED PRIVATE KEY" => Err(invalid(
                "the key file is encrypted: decrypt it with `openssl pkey`",
            )),
            _ => Err(invalid("the PEM block is not a private key")),
        }
    }

    /// PKCS#8, PKCS#1 (RSA) or SEC 1 (elliptic curves).
    pub(super) fn from_der(der: &[u8]) -> Result<Self, ConfigError> {
        pkcs8(der)
            .or_else(|| rsa(der))
            .or_else(|| sec1(der))
            .ok_or_else(|| invalid(NOT_PRIVATE))?
            .checked()
    }

    fn checked(self) -> Result<Self, ConfigError> {
        self.public.check()?;
        Ok(self)
    }
}

/// RFC 5958 `OneAsymmetricKey`.
fn pkcs8(der: &[u8]) -> Option<PrivateKey> {
    let mut reader = Reader::only(der, SEQUENCE)?;
    reader.read(INTEGER)?;
    let family = algorithm_identifier(reader.read(SEQUENCE)?)?;
    let key = reader.read(OCTET_STRING)?;
    match family {
        Family::Rsa => rsa(key),
        Family::P256 | Family::P384 => ec(der, family),
        Family::Ed25519 => Some(PrivateKey {
            family,
            public: PublicKey::Ed25519 {
                x: backend::ed_public(der)?,
            },
            key: EncodingKey::from_ed_der(der),
        }),
        Family::Hmac => None,
    }
}

/// RFC 8017 A.1.2 `RSAPrivateKey`.
fn rsa(der: &[u8]) -> Option<PrivateKey> {
    let mut reader = Reader::only(der, SEQUENCE)?;
    reader.read(INTEGER)?;
    let n = reader.read_unsigned()?.to_vec();
    let e = reader.read_unsigned()?.to_vec();
    Some(PrivateKey {
        family: Family::Rsa,
        public: PublicKey::Rsa { n, e },
        key: EncodingKey::from_rsa_der(der),
    })
}

/// RFC 5915 `ECPrivateKey`, as `openssl ecparam -genkey` writes it. Wrapped into PKCS#8, the only
/// encoding that the backends accept.
fn sec1(der: &[u8]) -> Option<PrivateKey> {
    let mut reader = Reader::only(der, SEQUENCE)?;
    reader.read(INTEGER)?;
    reader.read(OCTET_STRING)?;
    let curve = Reader::new(reader.read(CONTEXT_0)?).read(OID)?;
    let identifier = [
        der::element(OID, ID_EC_PUBLIC_KEY),
        der::element(OID, curve),
    ];
    let identifier = der::element(SEQUENCE, &identifier.concat());
    // Intermediate copies of the private key are wiped; the backend wipes its own.
    let key = Zeroizing::new(der::element(OCTET_STRING, der));
    let version = der::element(INTEGER, &[0]);
    let content = Zeroizing::new([version.as_slice(), &identifier, &key].concat());
    let pkcs8 = Zeroizing::new(der::element(SEQUENCE, &content));
    ec(&pkcs8, family_of_curve(curve)?)
}

fn ec(pkcs8: &[u8], family: Family) -> Option<PrivateKey> {
    let public = match family {
        Family::P256 => PublicKey::P256 {
            point: backend::ec_public(pkcs8, Algorithm::ES256)?,
        },
        Family::P384 => PublicKey::P384 {
            point: backend::ec_public(pkcs8, Algorithm::ES384)?,
        },
        Family::Hmac | Family::Rsa | Family::Ed25519 => return None,
    };
    Some(PrivateKey {
        family,
        public,
        key: EncodingKey::from_ec_der(pkcs8),
    })
}

impl PublicKey {
    pub(super) fn from_pem(pem: &[u8]) -> Result<Self, ConfigError> {
        let (label, der) = der::from_pem(pem)
            .ok_or_else(|| invalid("a key file must have exactly one PEM block"))?;
        match label {
            "PUBLIC KEY" | "RSA PUBLIC KEY" => Self::from_der(&der),
            _ => Err(invalid("the PEM block is not a public key")),
        }
    }

    /// `SubjectPublicKeyInfo`, or PKCS#1 (RSA).
    pub(super) fn from_der(der: &[u8]) -> Result<Self, ConfigError> {
        let public = spki(der)
            .or_else(|| rsa_public(der))
            .ok_or_else(|| invalid(NOT_PUBLIC))?;
        public.check()?;
        Ok(public)
    }

    /// Validates the form of the key. Without a signature, more cannot be checked.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let sec1 = |point: &[u8], len: usize| point.len() == len && point.first() == Some(&4);
        let fits = match self {
            Self::Rsa { n, e } => {
                let bits = n
                    .first()
                    .map_or(0, |&first| n.len() * 8 - first.leading_zeros() as usize);
                if bits < *RSA_BITS.start() {
                    return Err(invalid("an RSA key needs 2048 bits at least"));
                }
                // The exponent: odd, over 1, and at most as long as both backends accept.
                let odd = e.last().is_some_and(|last| last % 2 == 1);
                RSA_BITS.contains(&bits) && odd && e.len() <= 4 && e.as_slice() != [1]
            }
            Self::P256 { point } => sec1(point, 65),
            Self::P384 { point } => sec1(point, 97),
            Self::Ed25519 { x } => x.len() == 32,
        };
        match fits {
            true => Ok(()),
            false => Err(invalid(NOT_PUBLIC)),
        }
    }

    pub(super) fn family(&self) -> Family {
        match self {
            Self::Rsa { .. } => Family::Rsa,
            Self::P256 { .. } => Family::P256,
            Self::P384 { .. } => Family::P384,
            Self::Ed25519 { .. } => Family::Ed25519,
        }
    }

    pub(super) fn to_backend(&self) -> DecodingKey {
        match self {
            Self::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
            Self::P256 { point } | Self::P384 { point } => DecodingKey::from_ec_der(point),
            Self::Ed25519 { x } => DecodingKey::from_ed_der(x),
        }
    }
}

/// RFC 5280 §4.1.2.7.
fn spki(der: &[u8]) -> Option<PublicKey> {
    let mut reader = Reader::only(der, SEQUENCE)?;
    let family = algorithm_identifier(reader.read(SEQUENCE)?)?;
    // The first byte of a bit string counts the unused bits of its last one.
    let (0, key) = reader.read(BIT_STRING)?.split_first()? else {
        return None;
    };
    match family {
        Family::Rsa => rsa_public(key),
        Family::P256 => Some(PublicKey::P256 { point: key.into() }),
        Family::P384 => Some(PublicKey::P384 { point: key.into() }),
        Family::Ed25519 => Some(PublicKey::Ed25519 { x: key.into() }),
        Family::Hmac => None,
    }
}

/// RFC 8017 A.1.1 `RSAPublicKey`.
fn rsa_public(der: &[u8]) -> Option<PublicKey> {
    let mut reader = Reader::only(der, SEQUENCE)?;
    let n = reader.read_unsigned()?.to_vec();
    let e = reader.read_unsigned()?.to_vec();
    Some(PublicKey::Rsa { n, e })
}

fn algorithm_identifier(content: &[u8]) -> Option<Family> {
    let mut reader = Reader::new(content);
    match reader.read(OID)? {
        ID_RSA => Some(Family::Rsa),
        ID_ED25519 => Some(Family::Ed25519),
        ID_EC_PUBLIC_KEY => family_of_curve(reader.read(OID)?),
        _ => None,
    }
}

fn family_of_curve(oid: &[u8]) -> Option<Family> {
    match oid {
        ID_P256 => Some(Family::P256),
        ID_P384 => Some(Family::P384),
        _ => None,
    }
}
