//! Names of the seed's records. `Sandbox` documents them.

pub(crate) const API_TOKEN: &str = "sandbox-api-token";
pub(crate) const SECOND_API_TOKEN: &str = "sandbox-second-api-token";
pub(crate) const READ_ONLY_API_TOKEN: &str = "sandbox-read-only-api-token";
pub(crate) const LOCATIONS_API_TOKEN: &str = "sandbox-locations-api-token";
pub(crate) const ADA_ID: &str = "6513270e-269e-4d37-b2a7-4de452e6b438";
pub(crate) const ADA_EMAIL: &str = "ada.lovelace@example.com";
pub(crate) const ADA_PHONE: &str = "+61412323123";
pub(crate) const ADA_IDENTITY_HANDLE: &str = "shopify";
pub(crate) const ADA_IDENTITY: &str = "6142338891902";
pub(crate) const ADA_MAGENTO_ID: &str = "1001";
pub(crate) const GRACE_ID: &str = "d23f0824-128b-4f33-8c5c-7fd0a6a3a450";
pub(crate) const GRACE_EMAIL: &str = "Grace.Hopper@Example.com";
pub(crate) const GRACE_PHONE: &str = "+61491570156";
pub(crate) const ALAN_ID: &str = "9531985d-5d9d-49f8-9818-e811892f902b";
pub(crate) const ALAN_EMAIL: &str = "alan.turing@example.com";
pub(crate) const GRETA_ID: &str = "36f675cc-81e7-4ef5-a8e2-5d940ed90475";
pub(crate) const GRETA_EMAIL: &str = "greta.still@example.net";
pub(crate) const ZOE_ID: &str = "6b0d549b-6f03-475a-9600-a35a099950d8";
pub(crate) const ZOE_EMAIL: &str = "zoe.angstrom@example.se";
pub(crate) const KIM_ID: &str = "8d116ece-1738-47d9-bd9c-172411e20b8f";
pub(crate) const KIM_EMAIL: &str = "kim+vip@example.com";
pub(crate) const WISHLIST: &str = "wishlist";
