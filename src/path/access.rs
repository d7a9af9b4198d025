use std::borrow::Cow;
use std::fmt;

use http::Method;

use super::CanonicalPath;
use super::pattern::{Compare, Pattern};
use super::percent::decode;
use crate::error::{ConfigError, ConfigErrorKind};

/// What of `/profiles/me` may be asked: pairs of methods and paths, allowed or denied.
///
/// Begin with [`allow_all`](Self::allow_all) and deny, or with [`deny_all`](Self::deny_all) and
/// allow. **A denial wins over every allowance**, in whatever order they are given.
///
/// ```
/// use http::Method;
/// use omneo_id::path::AccessPolicy;
///
/// // Everything, but nobody deletes a profile.
/// let policy = AccessPolicy::allow_all().deny("DELETE", "/")?.deny("*", "/purge")?;
/// assert!(policy.permits(&Method::PUT, "/"));
/// assert!(!policy.permits(&Method::POST, "/p%75rge/"));
///
/// // Reading a profile and its lists, and nothing else.
/// let policy = AccessPolicy::deny_all().allow("GET", "/")?.allow("GET", "/lists/**")?;
/// assert!(policy.permits(&Method::HEAD, "/lists/wishlist/items"));
/// assert!(!policy.permits(&Method::GET, "/balances"));
/// # Ok::<(), omneo_id::error::ConfigError>(())
/// ```
///
/// **Methods** are names in capitals, separated by commas, or `*` for all. `GET` includes `HEAD`;
/// `HEAD` alone is `HEAD` only.
///
/// **Paths** begin behind `/profiles/me`, so `/` is the profile itself, and are written without
/// percent-encoding. `*` stands for one segment; `**`, at the end, for any number of them, none
/// included: `/lists/**` is `/lists` and all below it. A slash at the end does not count.
///
/// A path is judged as the tenant would read it, that is decoded, and again for each further time
/// that it can be decoded: it has to be permitted in every reading. Denials ignore the case of
/// ASCII letters and blanks around a segment, allowances do not. Name routes in denials, not
/// records: a database may know more spellings of one record's handle than a pattern can.
#[derive(Clone, Debug)]
pub struct AccessPolicy {
    otherwise: Otherwise,
    allowed: Vec<Rule>,
    denied: Vec<Rule>,
}

/// What holds for a request that no rule fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Otherwise {
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

/// Why a policy keeps a request here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessRefusal {
    /// Nothing may be asked there.
    Path,
    /// Something may be asked there, but not with this method.
    Method {
        /// What may, as the `Allow` header lists it.
        allow: String,
    },
}

/// The methods that an `Allow` header can name.
const USUAL: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

impl AccessPolicy {
    /// Everything, as the tenant documents it: narrow it with [`deny`](Self::deny).
    pub const fn allow_all() -> Self {
        Self::new(Otherwise::Allow)
    }

    /// Nothing: widen it with [`allow`](Self::allow).
    pub const fn deny_all() -> Self {
        Self::new(Otherwise::Deny)
    }

    const fn new(otherwise: Otherwise) -> Self {
        Self {
            otherwise,
            allowed: Vec::new(),
            denied: Vec::new(),
        }
    }

    /// Allows methods on a path, except where they are denied.
    ///
    /// # Errors
    /// If the methods or the path are none, or the policy began with
    /// [`allow_all`](Self::allow_all): the rule would do nothing.
    pub fn allow(mut self, methods: &str, path: &str) -> Result<Self, ConfigError> {
        if self.otherwise == Otherwise::Allow {
            return Err(invalid(
                "everything is allowed but what is denied, and a denial stays one: begin with `deny_all`",
                path,
            ));
        }
        self.allowed.push(Rule::parse(methods, path)?);
        Ok(self)
    }

    /// Denies methods on a path, whatever else allows them.
    ///
    /// # Errors
    /// If the methods or the path are none.
    pub fn deny(mut self, methods: &str, path: &str) -> Result<Self, ConfigError> {
        self.denied.push(Rule::parse(methods, path)?);
        Ok(self)
    }

    /// Whether this may be asked. `path` is what follows `/profiles/me` in a request target.
    pub fn permits(&self, method: &Method, path: &str) -> bool {
        let rooted = if path.is_empty() { "/" } else { path };
        CanonicalPath::parse(rooted).is_ok_and(|path| self.check(method, path.as_str()).is_ok())
    }

    /// Judges a request by what follows `me` in its canonical path.
    ///
    /// # Errors
    /// If it may not be asked.
    pub(crate) fn check(&self, method: &Method, remainder: &str) -> Result<(), AccessRefusal> {
        let readings = readings(remainder);
        if self.permits_in(
            &readings,
            |rule| rule.names(method),
            |rule| rule.names_loosely(method),
        ) {
            return Ok(());
        }
        let allow = self.usual(&readings);
        Err(if allow.is_empty() {
            AccessRefusal::Path
        } else {
            AccessRefusal::Method {
                allow: list(&allow),
            }
        })
    }

    /// The methods of a path, as the answer to `OPTIONS` lists them.
    pub(crate) fn allow_header(&self, remainder: &str) -> String {
        list(&self.usual(&readings(remainder)))
    }

    /// Whether there is no method at all that would be refused on this path. Where there is one, a
    /// tenant must not be talked into it by a request with another method.
    pub(crate) fn permits_every_method(&self, remainder: &str) -> bool {
        let all = |rule: &Rule| matches!(rule.methods, Methods::All);
        self.permits_in(&readings(remainder), all, |_| true)
    }

    fn usual(&self, readings: &[Vec<String>]) -> Vec<Method> {
        let permitted = |method: &Method| {
            self.permits_in(
                readings,
                |rule| rule.names(method),
                |rule| rule.names_loosely(method),
            )
        };
        USUAL.into_iter().filter(permitted).collect()
    }

    /// Whether every reading is permitted, to the methods that the two questions stand for.
    fn permits_in(
        &self,
        readings: &[Vec<String>],
        allows: impl Fn(&Rule) -> bool,
        denies: impl Fn(&Rule) -> bool,
    ) -> bool {
        readings.iter().all(|path| {
            let fits = |rule: &Rule, compare| rule.pattern.fits(path, compare);
            let denied = |rule: &Rule| denies(rule) && fits(rule, Compare::Loose);
            let allowed = |rule: &Rule| allows(rule) && fits(rule, Compare::Exact);
            !self.denied.iter().any(denied)
                && (self.otherwise == Otherwise::Allow || self.allowed.iter().any(allowed))
        })
    }
}

impl Default for AccessPolicy {
    /// Everything.
    fn default() -> Self {
        Self::allow_all()
    }
}

impl Rule {
    fn parse(methods: &str, path: &str) -> Result<Self, ConfigError> {
        let methods = Methods::parse(methods).map_err(|why| invalid(why, methods))?;
        let pattern = Pattern::parse(path).map_err(|why| invalid(why, path))?;
        Ok(Self { methods, pattern })
    }

    fn names(&self, method: &Method) -> bool {
        self.methods
            .any(|named| named == method || includes_head(named, method.as_str()))
    }

    /// A tenant may take a method for the one in capitals.
    fn names_loosely(&self, method: &Method) -> bool {
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
        let named: Result<Vec<Method>, _> = methods.split(',').map(str::trim).map(parse).collect();
        named.map(Self::Named)
    }

    fn any(&self, is: impl Fn(&Method) -> bool) -> bool {
        match self {
            Self::All => true,
            Self::Named(methods) => methods.iter().any(is),
        }
    }
}

fn parse(method: &str) -> Result<Method, &'static str> {
    let capital = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
    match Method::from_bytes(method.as_bytes()) {
        Ok(method) if method.as_str().bytes().all(capital) => Ok(method),
        _ => Err("methods are written in capitals, with commas between, or as one *"),
    }
}

/// RFC 9110 §9.3.2: `HEAD` is `GET` without the content. So a rule on `GET` is one on `HEAD`, but
/// not the other way round.
fn includes_head(named: &Method, method: &str) -> bool {
    *named == Method::GET && method.eq_ignore_ascii_case("HEAD")
}

/// The path as each tenant would see it: decoded once, and again as long as that changes it.
fn readings(remainder: &str) -> Vec<Vec<String>> {
    let segments = remainder.split('/').filter(|segment| !segment.is_empty());
    let once: Vec<String> = segments
        .map(|segment| decoded(segment).into_owned())
        .collect();
    let mut readings = vec![once];
    while let Some(next) = readings.last().and_then(|last| again(last)) {
        readings.push(next);
    }
    readings
}

fn again(path: &[String]) -> Option<Vec<String>> {
    let changes = path
        .iter()
        .any(|segment| matches!(decoded(segment), Cow::Owned(_)));
    changes.then(|| {
        path.iter()
            .map(|segment| decoded(segment).into_owned())
            .collect()
    })
}

/// Canonical paths are UTF-8 at every depth, so nothing is lost.
fn decoded(segment: &str) -> Cow<'_, str> {
    match decode(segment.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(segment),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

fn list(methods: &[Method]) -> String {
    let names: Vec<&str> = methods
        .iter()
        .map(Method::as_str)
        .chain(["OPTIONS"])
        .collect();
    names.join(", ")
}

fn invalid(why: &str, given: &str) -> ConfigError {
    let message = format!("the access rule on {given:?} cannot work: {why}");
    ConfigError::new(ConfigErrorKind::InvalidAccessRule, message)
}

impl fmt::Display for AccessRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "the access policy permits nothing there",
            Self::Method { .. } => "the access policy does not permit the method there",
        })
    }
}

impl std::error::Error for AccessRefusal {}

#[cfg(test)]
mod tests;
