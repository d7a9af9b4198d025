//! Names of the seed that examples and tests use.

use super::seed::names;
use super::service::Sandbox;

/// The seed: tokens and profiles of every sandbox.
impl Sandbox {
    /// An API token with every scope, unless
    /// [`SandboxBuilder::api_token`](super::SandboxBuilder::api_token) replaces it.
    pub const API_TOKEN: &'static str = names::API_TOKEN;
    /// A second API token with every scope, for tests of a rotation.
    pub const SECOND_API_TOKEN: &'static str = names::SECOND_API_TOKEN;
    /// An API token that reads and searches everything; writes are 403.
    pub const READ_ONLY_API_TOKEN: &'static str = names::READ_ONLY_API_TOKEN;
    /// An API token that reads locations; everything else except `/auth/verify` is 403.
    pub const LOCATIONS_API_TOKEN: &'static str = names::LOCATIONS_API_TOKEN;

    /// Ada Lovelace: has records of every kind, 23 transactions, and look-alikes that loose filters
    /// find first.
    pub const ADA_ID: &'static str = names::ADA_ID;
    /// Ada's address, part of `nada.lovelace@…` and `ada.lovelace@….au`, and near `ada_lovelace@…`.
    pub const ADA_EMAIL: &'static str = names::ADA_EMAIL;
    /// Ada's number, part of another profile's number.
    pub const ADA_PHONE: &'static str = names::ADA_PHONE;
    /// The handle of Ada's first identity.
    pub const ADA_IDENTITY_HANDLE: &'static str = names::ADA_IDENTITY_HANDLE;
    /// The identifier of Ada's first identity: a shop's customer number.
    pub const ADA_IDENTITY: &'static str = names::ADA_IDENTITY;
    /// Ada's `magento_id`; under the handle `pos` the same identifier is Grace's.
    pub const ADA_MAGENTO_ID: &'static str = names::ADA_MAGENTO_ID;

    /// Grace Hopper: connected with Ada.
    pub const GRACE_ID: &'static str = names::GRACE_ID;
    /// Grace's address, stored with capitals.
    pub const GRACE_EMAIL: &'static str = names::GRACE_EMAIL;
    /// Grace's number.
    pub const GRACE_PHONE: &'static str = names::GRACE_PHONE;

    /// Alan Turing: a profile without a phone number.
    pub const ALAN_ID: &'static str = names::ALAN_ID;
    /// Alan's address.
    pub const ALAN_EMAIL: &'static str = names::ALAN_EMAIL;

    /// Greta Still: opted out on every channel.
    pub const GRETA_ID: &'static str = names::GRETA_ID;
    /// Greta's address.
    pub const GRETA_EMAIL: &'static str = names::GRETA_EMAIL;

    /// Zoë Ångström: a name beyond ASCII.
    pub const ZOE_ID: &'static str = names::ZOE_ID;
    /// Zoë's address.
    pub const ZOE_EMAIL: &'static str = names::ZOE_EMAIL;

    /// Kim Park: a plus in the address; `kim@example.com` is another profile.
    pub const KIM_ID: &'static str = names::KIM_ID;
    /// Kim's address.
    pub const KIM_EMAIL: &'static str = names::KIM_EMAIL;

    /// The handle of the list that every profile of the seed has.
    pub const WISHLIST: &'static str = names::WISHLIST;
}
