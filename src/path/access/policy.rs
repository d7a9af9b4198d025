//! The rules of a policy, and the decision about a request.

use http::Method;

use super::decoded::decoded_forms;
use super::fields::{FieldLimit, FieldRule};
use super::refusal::AccessRefusal;
use super::rule::{Rule, invalid, is_read};
use crate::error::ConfigError;
use crate::path::CanonicalPath;
use crate::path::pattern::Compare;

/// Which methods, paths and fields below `/profiles/me` are permitted.
///
/// Begin with [`allow_all`](Self::allow_all) and deny, or with [`deny_all`](Self::deny_all) and
/// allow. **A denial overrides every allowance**, independent of their order.
///
/// ```
/// use http::Method;
/// use omneo_id::AccessPolicy;
///
/// // Everything except the deletion of a profile.
/// let policy = AccessPolicy::allow_all().deny("DELETE", "/")?.deny("*", "/purge")?;
/// assert!(policy.permits(&Method::PUT, "/"));
/// assert!(!policy.permits(&Method::POST, "/p%75rge/"));
///
/// // Only to read a profile and its lists.
/// let policy = AccessPolicy::deny_all().allow("GET", "/")?.allow("GET", "/lists/**")?;
/// assert!(policy.permits(&Method::HEAD, "/lists/wishlist/items"));
/// assert!(!policy.permits(&Method::GET, "/balances"));
/// # Ok::<(), omneo_id::error::ConfigError>(())
/// ```
///
/// **Methods** are names in capitals, separated by commas, or `*` for all. `GET` includes `HEAD`;
/// `HEAD` does not include `GET`.
///
/// **Paths** are relative to `/profiles/me`, so `/` is the profile itself, and are written without
/// percent-encoding. `*` matches one segment. `**`, as the last segment, matches any number of
/// segments, also zero: `/lists/**` matches `/lists` and all paths below it. A trailing slash is
/// ignored.
///
/// A path is checked decoded, as the tenant reads it, and again for each further level of
/// percent-encoding: it has to be permitted at every level. Denials ignore the case of ASCII
/// letters and whitespace around a segment; allowances do not. Name routes in denials, not records:
/// a database may accept more spellings of a record's handle than a pattern can match.
///
/// # Presets
/// [`storefront`](Self::storefront), [`checkout`](Self::checkout) and
/// [`read_only`](Self::read_only) are policies that begin with `deny_all`. They can be extended
/// with `allow`, `allow_fields` and `deny`. `GET` includes `HEAD`. Methods that are not listed are
/// not allowed. A change of a preset is an entry in the changelog.
///
/// All presets deny `GET` on paths that are named by an action, so it cannot be allowed: some of
/// these requests change the profile. The paths are those of the table without `GET` under
/// `storefront`, and `/*/calculate` with any first segment. `checkout` allows `GET` on every path
/// below `/redemptions`.
///
#[doc = include_str!("presets.md")]
#[derive(Clone, Debug)]
pub struct AccessPolicy {
    default: DefaultAccess,
    allowed: Vec<Rule>,
    denied: Vec<Rule>,
    limited: Vec<FieldRule>,
}

/// Applies to a request that matches no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DefaultAccess {
    Allow,
    Deny,
}

/// How a permitted request may be forwarded.
#[derive(Debug)]
pub(crate) struct Permission {
    /// Whether the content must be checked for another method, to which a tenant would change it.
    pub(crate) keeps_method: bool,
    /// The fields that the query and the content may have; `None`: all.
    pub(crate) fields: Option<FieldLimit>,
}

/// The methods that an `Allow` header can list.
const LISTED_METHODS: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

impl AccessPolicy {
    /// Permits everything; restrict it with [`deny`](Self::deny).
    pub const fn allow_all() -> Self {
        Self::new(DefaultAccess::Allow)
    }

    /// Permits nothing; extend it with [`allow`](Self::allow).
    pub const fn deny_all() -> Self {
        Self::new(DefaultAccess::Deny)
    }

    const fn new(default: DefaultAccess) -> Self {
        Self {
            default,
            allowed: Vec::new(),
            denied: Vec::new(),
            limited: Vec::new(),
        }
    }

    /// Allows methods on a path, unless a denial matches.
    ///
    /// # Errors
    /// If the methods or the path are invalid, or the policy began with
    /// [`allow_all`](Self::allow_all): the rule would have no effect.
    pub fn allow(mut self, methods: &str, path: &str) -> Result<Self, ConfigError> {
        if self.default == DefaultAccess::Allow {
            return Err(invalid(
                "`allow_all` already allows it, and a denial overrides it: begin with `deny_all`",
                path,
            ));
        }
        self.allowed.push(Rule::parse(methods, path)?);
        Ok(self)
    }

    /// Denies methods on a path, even if another rule allows them.
    ///
    /// # Errors
    /// If the methods or the path are invalid.
    pub fn deny(mut self, methods: &str, path: &str) -> Result<Self, ConfigError> {
        self.denied.push(Rule::parse(methods, path)?);
        Ok(self)
    }

    /// Limits the fields of the requests with these methods on a path. It does not allow the
    /// methods. If several limits apply, the fields of all of them are allowed, so a preset can be
    /// extended. `GET` and `HEAD` are not limited.
    ///
    /// A name is that of a top-level field, or of a member of one: `attributes.comms`. The limit
    /// applies to the members of a JSON object, to the fields of a form, and to the parameters of
    /// the query, because Laravel reads all of these as one input. The content of such a request is
    /// read before it is forwarded, as [`RestrictedMe`](crate::me::RestrictedMe) describes.
    ///
    /// ```
    /// use http::Method;
    /// use omneo_id::AccessPolicy;
    ///
    /// let names = ["first_name", "attributes.comms"];
    /// let policy = AccessPolicy::allow_all().allow_fields("PUT", "/", names)?;
    /// assert!(policy.permits_field(&Method::PUT, "/", "first_name"));
    /// assert!(policy.permits_field(&Method::PUT, "/", "attributes.comms"));
    /// assert!(!policy.permits_field(&Method::PUT, "/", "attributes"));
    /// assert!(!policy.permits_field(&Method::PUT, "/", "identities"));
    /// # Ok::<(), omneo_id::error::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If the methods, the path or a name are invalid, or a method is `GET` or `HEAD`. A name
    /// consists of ASCII letters, digits, `_`, `-` and `:`; `_method` is reserved.
    pub fn allow_fields<I>(
        mut self,
        methods: &str,
        path: &str,
        names: I,
    ) -> Result<Self, ConfigError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.limited.push(FieldRule::parse(methods, path, names)?);
        Ok(self)
    }

    /// Whether a request is permitted. `path` is the part of the request target after
    /// `/profiles/me`.
    pub fn permits(&self, method: &Method, path: &str) -> bool {
        self.permission(method, path).is_some()
    }

    /// Whether a request with this field is permitted: `first_name`, or `attributes.comms` for a
    /// member of an object. `path` is the part of the request target after `/profiles/me`.
    pub fn permits_field(&self, method: &Method, path: &str, name: &str) -> bool {
        let (field, member) = match name.split_once('.') {
            Some((field, member)) => (field, Some(member)),
            None => (name, None),
        };
        self.permission(method, path).is_some_and(|permission| {
            let fields = permission.fields;
            fields.is_none_or(|fields| fields.allows(field, member))
        })
    }

    fn permission(&self, method: &Method, path: &str) -> Option<Permission> {
        let absolute = if path.is_empty() { "/" } else { path };
        let path = CanonicalPath::parse(absolute).ok()?;
        self.check(method, path.as_str()).ok()
    }

    /// Checks a request. `remainder` is the part of its canonical path after `/profiles/me`.
    ///
    /// # Errors
    /// If the request is not permitted.
    pub(crate) fn check(
        &self,
        method: &Method,
        remainder: &str,
    ) -> Result<Permission, AccessRefusal> {
        let decoded_forms = decoded_forms(remainder);
        if self.permits_method(method, &decoded_forms) {
            return Ok(Permission {
                // Symfony reads a method from the content of a POST, and of no other method.
                keeps_method: *method == Method::POST && !self.is_unrestricted(&decoded_forms),
                fields: self.field_limit(method, &decoded_forms),
            });
        }
        let allow = self.listed_methods(&decoded_forms);
        Err(if allow.is_empty() {
            AccessRefusal::Path
        } else {
            AccessRefusal::Method {
                allow: allow_list(&allow),
            }
        })
    }

    /// The permitted methods of a path, for the `Allow` header of a response to `OPTIONS`.
    pub(crate) fn allow_header(&self, remainder: &str) -> String {
        allow_list(&self.listed_methods(&decoded_forms(remainder)))
    }

    /// Whether all methods are permitted on this path, unknown ones included, with all fields. If
    /// not, a request must not override its method at the tenant.
    fn is_unrestricted(&self, decoded_forms: &[Vec<String>]) -> bool {
        let is_limited = |path: &Vec<String>| {
            let mut limited = self.limited.iter();
            limited.any(|limited| limited.rule.matches(path, Compare::Loose))
        };
        self.permits_forms(decoded_forms, Rule::has_all_methods, |_| true)
            && !decoded_forms.iter().any(is_limited)
    }

    /// The fields that are allowed at every depth of decoding at which a limit applies.
    fn field_limit(&self, method: &Method, decoded_forms: &[Vec<String>]) -> Option<FieldLimit> {
        if self.limited.is_empty() || is_read(method) {
            return None;
        }
        let limits = decoded_forms.iter().filter_map(|path| {
            let rules = self.limited.iter();
            let rules = rules.filter(|limited| limited.rule.has_method_ignoring_case(method));
            FieldLimit::of_path(rules, path)
        });
        limits.reduce(|limit, other| limit.intersect(&other))
    }

    fn listed_methods(&self, decoded_forms: &[Vec<String>]) -> Vec<Method> {
        let methods = LISTED_METHODS.into_iter();
        methods
            .filter(|method| self.permits_method(method, decoded_forms))
            .collect()
    }

    fn permits_method(&self, method: &Method, decoded_forms: &[Vec<String>]) -> bool {
        self.permits_forms(
            decoded_forms,
            |rule| rule.has_method(method),
            |rule| rule.has_method_ignoring_case(method),
        )
    }

    /// Whether every reading is permitted. `allows` and `denies` select the rules that apply to the
    /// method.
    fn permits_forms(
        &self,
        decoded_forms: &[Vec<String>],
        allows: impl Fn(&Rule) -> bool,
        denies: impl Fn(&Rule) -> bool,
    ) -> bool {
        decoded_forms.iter().all(|path| {
            let (mut denied, mut allowed) = (self.denied.iter(), self.allowed.iter());
            !denied.any(|rule| denies(rule) && rule.matches(path, Compare::Loose))
                && (self.default == DefaultAccess::Allow
                    || allowed.any(|rule| allows(rule) && rule.matches(path, Compare::Exact)))
        })
    }
}

impl Default for AccessPolicy {
    /// [`allow_all`](Self::allow_all).
    fn default() -> Self {
        Self::allow_all()
    }
}

fn allow_list(methods: &[Method]) -> String {
    let names: Vec<&str> = methods
        .iter()
        .map(Method::as_str)
        .chain(["OPTIONS"])
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
