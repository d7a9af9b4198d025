//! Access policies for paths below `me`.

use std::borrow::Cow;
use std::fmt;

use http::Method;

use super::CanonicalPath;
use super::pattern::{Compare, Pattern};
use super::percent::decode;
use crate::error::{ConfigError, ConfigErrorKind};

/// Which methods and paths below `/profiles/me` are permitted.
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
#[derive(Clone, Debug)]
pub struct AccessPolicy {
    default: DefaultAccess,
    allowed: Vec<Rule>,
    denied: Vec<Rule>,
}

/// Applies to a request that matches no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DefaultAccess {
    Allow,
    Deny,
}

#[derive(Clone, Debug)]
struct Rule {
    methods: Methods,
    pattern: Pattern,
}

#[derive(Clone, Debug)]
enum Methods {
    All,
    Named(Vec<Method>),
}

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

    /// Whether a request is permitted. `path` is the part of the request target after
    /// `/profiles/me`.
    pub fn permits(&self, method: &Method, path: &str) -> bool {
        let absolute = if path.is_empty() { "/" } else { path };
        CanonicalPath::parse(absolute).is_ok_and(|path| self.check(method, path.as_str()).is_ok())
    }

    /// Checks a request. `remainder` is the part of its canonical path after `/profiles/me`.
    ///
    /// # Errors
    /// If the request is not permitted.
    pub(crate) fn check(&self, method: &Method, remainder: &str) -> Result<(), AccessRefusal> {
        let decoded_forms = decoded_forms(remainder);
        if self.permits_method(method, &decoded_forms) {
            return Ok(());
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

    /// Whether all methods are permitted on this path, unknown ones included. If not, a request
    /// must not override its method at the tenant.
    pub(crate) fn permits_every_method(&self, remainder: &str) -> bool {
        let allows = |rule: &Rule| matches!(rule.methods, Methods::All);
        self.permits_forms(&decoded_forms(remainder), allows, |_| true)
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
            !denied.any(|rule| denies(rule) && rule.pattern.matches(path, Compare::Loose))
                && (self.default == DefaultAccess::Allow
                    || allowed
                        .any(|rule| allows(rule) && rule.pattern.matches(path, Compare::Exact)))
        })
    }
}

impl Default for AccessPolicy {
    /// [`allow_all`](Self::allow_all).
    fn default() -> Self {
        Self::allow_all()
    }
}

impl Rule {
    fn parse(methods: &str, path: &str) -> Result<Self, ConfigError> {
        let methods = Methods::parse(methods).map_err(|reason| invalid(reason, methods))?;
        let pattern = Pattern::parse(path).map_err(|reason| invalid(reason, path))?;
        Ok(Self { methods, pattern })
    }

    fn has_method(&self, method: &Method) -> bool {
        self.methods
            .any(|named| named == method || includes_head(named, method.as_str()))
    }

    /// For denials: a tenant may convert a method to capitals.
    fn has_method_ignoring_case(&self, method: &Method) -> bool {
        let method = method.as_str();
        self.methods.any(|named| {
            named.as_str().eq_ignore_ascii_case(method) || includes_head(named, method)
        })
    }
}

impl Methods {
    fn parse(methods: &str) -> Result<Self, &'static str> {
        if methods.trim() == "*" {
            return Ok(Self::All);
        }
        let names = methods.split(',').map(str::trim);
        let named: Result<Vec<Method>, _> = names.map(parse_method).collect();
        named.map(Self::Named)
    }

    fn any(&self, predicate: impl Fn(&Method) -> bool) -> bool {
        match self {
            Self::All => true,
            Self::Named(methods) => methods.iter().any(predicate),
        }
    }
}

fn parse_method(method: &str) -> Result<Method, &'static str> {
    let mut bytes = method.bytes();
    let is_upper_case = bytes.all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    match Method::from_bytes(method.as_bytes()) {
        Ok(method) if is_upper_case => Ok(method),
        _ => Err("methods are written in capitals, separated by commas, or as one *"),
    }
}

/// RFC 9110 §9.3.2: `HEAD` is `GET` without the content. So a rule on `GET` applies to `HEAD`, but
/// not the reverse.
fn includes_head(named: &Method, method: &str) -> bool {
    *named == Method::GET && method.eq_ignore_ascii_case("HEAD")
}

/// The segments of the path at each depth of decoding: decoded once, twice, and so on until no
/// escape remains.
fn decoded_forms(remainder: &str) -> Vec<Vec<String>> {
    let segments = remainder.split('/').filter(|segment| !segment.is_empty());
    let first: Vec<String> = segments
        .map(|segment| decode_segment(segment).into_owned())
        .collect();
    let mut decoded_forms = vec![first];
    while let Some(next) = decoded_forms.last().and_then(|last| decode_again(last)) {
        decoded_forms.push(next);
    }
    decoded_forms
}

fn decode_again(path: &[String]) -> Option<Vec<String>> {
    let has_escape = path
        .iter()
        .any(|segment| matches!(decode_segment(segment), Cow::Owned(_)));
    has_escape.then(|| {
        path.iter()
            .map(|segment| decode_segment(segment).into_owned())
            .collect()
    })
}

/// Canonical paths are UTF-8 at every depth, so the lossy conversion loses nothing.
fn decode_segment(segment: &str) -> Cow<'_, str> {
    match decode(segment.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(segment),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
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

fn invalid(reason: &str, input: &str) -> ConfigError {
    let message = format!("the access rule {input:?} is invalid: {reason}");
    ConfigError::new(ConfigErrorKind::InvalidAccessRule, message)
}

impl fmt::Display for AccessRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "the access policy does not permit the path",
            Self::Method { .. } => "the access policy does not permit the method on this path",
        })
    }
}

impl std::error::Error for AccessRefusal {}

#[cfg(test)]
mod tests;
