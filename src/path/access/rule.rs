use http::Method;

use crate::error::{ConfigError, ConfigErrorKind};
use crate::path::pattern::{Compare, Pattern};

/// Methods on the paths that match a pattern.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    methods: Methods,
    pattern: Pattern,
}

#[derive(Clone, Debug)]
enum Methods {
    All,
    Named(Vec<Method>),
}

impl Rule {
    pub(super) fn parse(methods: &str, path: &str) -> Result<Self, ConfigError> {
        let methods = Methods::parse(methods).map_err(|reason| invalid(reason, methods))?;
        let pattern = Pattern::parse(path).map_err(|reason| invalid(reason, path))?;
        Ok(Self { methods, pattern })
    }

    pub(super) fn has_all_methods(&self) -> bool {
        matches!(self.methods, Methods::All)
    }

    /// Whether the rule names `GET` or `HEAD`.
    pub(super) fn names_a_read(&self) -> bool {
        match &self.methods {
            Methods::All => false,
            Methods::Named(methods) => methods.iter().any(is_read),
        }
    }

    pub(super) fn has_method(&self, method: &Method) -> bool {
        self.methods
            .any(|named| named == method || includes_head(named, method.as_str()))
    }

    /// For denials: a tenant may convert a method to capitals.
    pub(super) fn has_method_ignoring_case(&self, method: &Method) -> bool {
        let method = method.as_str();
        self.methods.any(|named| {
            named.as_str().eq_ignore_ascii_case(method) || includes_head(named, method)
        })
    }

    pub(super) fn matches(&self, path: &[String], compare: Compare) -> bool {
        self.pattern.matches(path, compare)
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

/// Whether a request with this method has no fields that a tenant would write.
pub(super) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// RFC 9110 §9.3.2: `HEAD` is `GET` without the content. So a rule on `GET` applies to `HEAD`, but
/// not the reverse.
fn includes_head(named: &Method, method: &str) -> bool {
    *named == Method::GET && method.eq_ignore_ascii_case("HEAD")
}

/// The error of a rule that cannot be parsed or has no effect.
pub(super) fn invalid(reason: &str, input: &str) -> ConfigError {
    let message = format!("the access rule {input:?} is invalid: {reason}");
    ConfigError::new(ConfigErrorKind::InvalidAccessRule, message)
}
