//! The names that examples and tests may rely on.

use super::service::Sandbox;

/// The seed: tokens and people that are there in every sandbox.
impl Sandbox {
    /// Opens everything, unless [`SandboxBuilder::api_token`](super::SandboxBuilder::api_token) puts another in its
    /// place.
    pub const API_TOKEN: &'static str = "sandbox-api-token";
    /// Opens everything, too; a second one, as a rotation needs it.
    pub const SECOND_API_TOKEN: &'static str = "sandbox-second-api-token";
    /// Reads everything and searches; whatever writes is 403.
    pub const READ_ONLY_API_TOKEN: &'static str = "sandbox-read-only-api-token";
    /// Reads locations; everything else is 403, save `/auth/verify`.
    pub const LOCATIONS_API_TOKEN: &'static str = "sandbox-locations-api-token";

    /// Ada Lovelace: has everything, 23 transactions, and look-alikes that loose filters find before her.
    pub const ADA_ID: &'static str = "6513270e-269e-4d37-b2a7-4de452e6b438";
    /// Ada's address, part of `nada.lovelace@…` and `ada.lovelace@….au`, and near `ada_lovelace@…`.
    pub const ADA_EMAIL: &'static str = "ada.lovelace@example.com";
    /// Ada's number, part of somebody else's.
    pub const ADA_PHONE: &'static str = "+61412323123";
    /// The handle of Ada's first identity.
    pub const ADA_IDENTITY_HANDLE: &'static str = "shopify";
    /// The identifier of Ada's first identity: a shop's customer number.
    pub const ADA_IDENTITY: &'static str = "6142338891902";
    /// Ada's `magento_id`; under the handle `pos` the same identifier is Grace's.
    pub const ADA_MAGENTO_ID: &'static str = "1001";

    /// Grace Hopper: connected with Ada.
    pub const GRACE_ID: &'static str = "d23f0824-128b-4f33-8c5c-7fd0a6a3a450";
    /// Grace's address, stored with capitals.
    pub const GRACE_EMAIL: &'static str = "Grace.Hopper@Example.com";
    /// Grace's number.
    pub const GRACE_PHONE: &'static str = "+61491570156";

    /// Alan Turing: has no phone.
    pub const ALAN_ID: &'static str = "9531985d-5d9d-49f8-9818-e811892f902b";
    /// Alan's address.
    pub const ALAN_EMAIL: &'static str = "alan.turing@example.com";

    /// Greta Still: opted out on every channel.
    pub const GRETA_ID: &'static str = "36f675cc-81e7-4ef5-a8e2-5d940ed90475";
    /// Greta's address.
    pub const GRETA_EMAIL: &'static str = "greta.still@example.net";

    /// Zoë Ångström: a name beyond ASCII.
    pub const ZOE_ID: &'static str = "6b0d549b-6f03-475a-9600-a35a099950d8";
    /// Zoë's address.
    pub const ZOE_EMAIL: &'static str = "zoe.angstrom@example.se";

    /// Kim Park: a plus in the address; `kim@example.com` is somebody else.
    pub const KIM_ID: &'static str = "8d116ece-1738-47d9-bd9c-172411e20b8f";
    /// Kim's address.
    pub const KIM_EMAIL: &'static str = "kim+vip@example.com";

    /// The handle of the list that every profile of the seed has.
    pub const WISHLIST: &'static str = "wishlist";
}
