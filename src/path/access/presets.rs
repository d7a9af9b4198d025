use super::policy::AccessPolicy;
use crate::error::ConfigError;

/// The fields of `PUT /` that a person may write.
const PROFILE_FIELDS: [&str; 17] = [
    "title",
    "first_name",
    "last_name",
    "email",
    "mobile_phone",
    "secondary_phone",
    "gender",
    "birth_day",
    "birth_month",
    "birth_year",
    "company",
    "occupation",
    "avatar_url",
    "addresses",
    "dates_attributes",
    "attributes.appearance",
    "attributes.comms",
];

/// Paths that are named by an action. With `GET`, some of them change a profile, according to their
/// names; the others have nothing to read.
const ACTIONS: [&str; 12] = [
    "/benefits/*/redeem",
    "/benefits/claim",
    "/benefits/claim-redeem",
    "/credits/*/redeem",
    "/merge",
    "/purge",
    "/redeem",
    "/resync",
    "/tiers/assign",
    "/transactions/*/unattach",
    "/update-type",
    "/*/calculate",
];

impl AccessPolicy {
    /// A preset for a shop's own pages: to read everything, and to write what belongs to the
    /// person. The [table](Self#presets) lists its requests.
    ///
    /// A customer cannot grant themselves value, change their tier or type, claim or remove an
    /// identity, or delete the profile. A `PUT` of the profile is limited to the fields below the
    /// table.
    ///
    /// ```
    /// use http::Method;
    /// use omneo_id::AccessPolicy;
    ///
    /// let policy = AccessPolicy::storefront();
    /// assert!(policy.permits(&Method::POST, "/lists/7/items"));
    /// assert!(policy.permits_field(&Method::PUT, "/", "first_name"));
    /// assert!(!policy.permits(&Method::POST, "/credits"));
    /// assert!(!policy.permits_field(&Method::PUT, "/", "identities"));
    ///
    /// let own = policy
    ///     .allow("POST", "/interactions")?
    ///     .allow_fields("PUT", "/", ["currency"])?
    ///     .deny("*", "/notes/**")?;
    /// assert!(own.permits(&Method::POST, "/interactions"));
    /// assert!(own.permits_field(&Method::PUT, "/", "currency"));
    /// assert!(!own.permits(&Method::GET, "/notes/7"));
    /// # Ok::<(), omneo_id::error::ConfigError>(())
    /// ```
    pub fn storefront() -> Self {
        or_deny_all(build_storefront())
    }

    /// A preset for a checkout page: to read balances, rewards and benefits, and to redeem. The
    /// [table](Self#presets) lists its requests. The profile itself cannot be read; allow it with
    /// `allow("GET", "/")`.
    ///
    /// ```
    /// use http::Method;
    /// use omneo_id::AccessPolicy;
    ///
    /// let policy = AccessPolicy::checkout();
    /// assert!(policy.permits(&Method::GET, "/balances"));
    /// assert!(policy.permits(&Method::POST, "/redeem"));
    /// assert!(!policy.permits(&Method::GET, "/addresses"));
    /// ```
    pub fn checkout() -> Self {
        or_deny_all(build_checkout())
    }

    /// A preset to read everything and to change nothing. It also denies `GET` on paths that are
    /// named by an action, such as `/transactions/*/unattach`. The [table](Self#presets) lists its
    /// requests.
    ///
    /// ```
    /// use http::Method;
    /// use omneo_id::AccessPolicy;
    ///
    /// let policy = AccessPolicy::read_only();
    /// assert!(policy.permits(&Method::GET, "/transactions/7"));
    /// assert!(!policy.permits(&Method::GET, "/transactions/7/unattach"));
    /// assert!(!policy.permits(&Method::PUT, "/"));
    /// ```
    pub fn read_only() -> Self {
        or_deny_all(allow_reads(Self::deny_all()))
    }
}

fn build_storefront() -> Result<AccessPolicy, ConfigError> {
    allow_redemption(allow_reads(AccessPolicy::deny_all())?)?
        .allow("PUT", "/")?
        .allow_fields("PUT", "/", PROFILE_FIELDS)?
        .allow("POST", "/addresses")?
        .allow("PUT, DELETE", "/addresses/*")?
        .allow("PUT", "/attributes/appearance")?
        .allow("PUT", "/attributes/comms")?
        .allow("PUT", "/comms")?
        .allow("POST, PUT", "/attributes/dates")?
        .allow("PUT, DELETE", "/attributes/dates/*")?
        .allow("POST, PUT", "/attributes/custom")?
        .allow("PUT, DELETE", "/attributes/custom/*")?
        .allow("POST", "/lists")?
        .allow("PUT, DELETE", "/lists/*")?
        .allow("POST", "/lists/*/items")?
        .allow("PUT, DELETE", "/lists/*/items/*")?
        .allow("POST", "/lists/*/shares")?
        .allow("PUT, DELETE", "/lists/*/shares/*")?
        .allow("POST, PUT", "/lists/*/custom")?
        .allow("POST", "/lists/*/custom-fields")?
        .allow("PUT, DELETE", "/lists/*/custom-fields/*")?
        .allow("POST", "/appointments")?
        .allow("PUT, DELETE", "/appointments/*")
}

fn build_checkout() -> Result<AccessPolicy, ConfigError> {
    let paths = [
        "/balances",
        "/rewards",
        "/rewards/*",
        "/benefits",
        "/benefits/*",
        "/redeemable_benefits",
        "/credits",
        "/credits/*",
        "/redemptions/**",
    ];
    let policy = allow_redemption(AccessPolicy::deny_all())?;
    let policy = (paths.iter()).try_fold(policy, |policy, path| policy.allow("GET", path))?;
    deny_reads_of_actions(policy)
}

fn allow_reads(policy: AccessPolicy) -> Result<AccessPolicy, ConfigError> {
    deny_reads_of_actions(policy.allow("GET", "/**")?)
}

/// A denial overrides an allowance of a wider path, such as `/**`.
fn deny_reads_of_actions(policy: AccessPolicy) -> Result<AccessPolicy, ConfigError> {
    let mut paths = ACTIONS.iter();
    paths.try_fold(policy, |policy, path| policy.deny("GET", path))
}

/// Spends value, of an amount and by rules that the tenant checks.
fn allow_redemption(policy: AccessPolicy) -> Result<AccessPolicy, ConfigError> {
    policy
        .allow("POST", "/redeem")?
        .allow("POST", "/benefits/*/redeem")?
        .allow("POST", "/benefits/claim-redeem")?
        .allow("POST", "/credits/*/redeem")
}

/// The rules are constants, which a test parses. A mistake in one would deny every request.
fn or_deny_all(policy: Result<AccessPolicy, ConfigError>) -> AccessPolicy {
    policy.unwrap_or_else(|_| AccessPolicy::deny_all())
}
