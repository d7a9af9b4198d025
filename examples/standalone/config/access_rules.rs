//! The rules of an access policy, one per line.

use omneo_id::AccessPolicy;
use omneo_id::error::ConfigError;

/// The rules of `--policy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessRules(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    allows: bool,
    methods: String,
    path: String,
}

impl AccessRules {
    /// Parses lines such as `allow GET,HEAD /addresses/**` and `deny DELETE /`. Empty lines and
    /// those that begin with `#` are skipped. With a rule that allows, everything else is denied.
    ///
    /// # Errors
    /// The problems of all lines.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<String>> {
        let (mut rules, mut problems) = (Vec::new(), Vec::new());
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match Rule::parse(line) {
                Ok(rule) => rules.push(rule),
                Err(problem) => problems.push(format!("line {number}: {problem}")),
            }
        }
        if problems.is_empty() && rules.is_empty() {
            problems.push("no line has a rule".to_owned());
        }
        match problems.is_empty() {
            true => Ok(Self(rules)),
            false => Err(problems),
        }
    }

    /// The policy with these rules.
    pub(crate) fn policy(&self) -> Result<AccessPolicy, ConfigError> {
        let base = match self.0.iter().any(|rule| rule.allows) {
            true => AccessPolicy::deny_all(),
            false => AccessPolicy::allow_all(),
        };
        self.0
            .iter()
            .try_fold(base, |policy, rule| rule.add_to(policy))
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Self, String> {
        let words: Vec<_> = line.split_whitespace().collect();
        let [verb, methods, path] = words.as_slice() else {
            return Err(format!(
                "{line:?} is not a rule like allow GET,HEAD /addresses/**"
            ));
        };
        let allows = match *verb {
            "allow" => true,
            "deny" => false,
            _ => return Err(format!("{verb:?} is neither allow nor deny")),
        };
        let rule = Self {
            allows,
            methods: (*methods).to_owned(),
            path: (*path).to_owned(),
        };
        match rule.add_to(AccessPolicy::deny_all()) {
            Ok(_) => Ok(rule),
            Err(error) => Err(error.to_string()),
        }
    }

    fn add_to(&self, policy: AccessPolicy) -> Result<AccessPolicy, ConfigError> {
        match self.allows {
            true => policy.allow(&self.methods, &self.path),
            false => policy.deny(&self.methods, &self.path),
        }
    }
}
