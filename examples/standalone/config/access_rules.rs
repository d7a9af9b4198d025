//! The access policy of `--policy`: a preset, or rules, one per line.

use std::fmt;

use omneo_id::AccessPolicy;
use omneo_id::error::ConfigError;

/// A preset with further rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessRules {
    preset: Option<Preset>,
    rules: Vec<Rule>,
}

/// A policy of the crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Preset {
    Storefront,
    Checkout,
    ReadOnly,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    verb: Verb,
    methods: String,
    path: String,
    /// The names of fields. Only used by [`Verb::Fields`].
    names: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Allow,
    Deny,
    Fields,
}

impl Preset {
    const ALL: [Self; 3] = [Self::Storefront, Self::Checkout, Self::ReadOnly];

    const fn name(self) -> &'static str {
        match self {
            Self::Storefront => "storefront",
            Self::Checkout => "checkout",
            Self::ReadOnly => "read-only",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|preset| preset.name() == name)
    }

    fn policy(self) -> AccessPolicy {
        match self {
            Self::Storefront => AccessPolicy::storefront(),
            Self::Checkout => AccessPolicy::checkout(),
            Self::ReadOnly => AccessPolicy::read_only(),
        }
    }
}

impl AccessRules {
    /// The preset with this name, without further rules.
    pub(super) fn preset(name: &str) -> Option<Self> {
        let preset = Some(Preset::parse(name)?);
        let rules = Vec::new();
        Some(Self { preset, rules })
    }

    /// Parses lines such as `allow GET,HEAD /addresses/**`, `deny DELETE /` and
    /// `fields PUT / first_name,last_name`. Empty lines and those that begin with `#` are skipped.
    /// A first line such as `preset storefront` is the base of the rules. Without a preset, a
    /// request that matches no rule is denied if a line begins with `allow`, and else allowed.
    ///
    /// # Errors
    /// The problems of all lines.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<String>> {
        let lines = (1..).zip(text.lines().map(str::trim));
        let mut lines = lines
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .peekable();
        let mut problems = Vec::new();
        let mut preset = None;
        if let Some((number, line)) = lines.peek()
            && let Some(name) = line.strip_prefix("preset ")
        {
            preset = Preset::parse(name.trim());
            if preset.is_none() {
                let names = Preset::ALL.map(Preset::name).join(", ");
                problems.push(format!("line {number}: {name:?} is none of {names}"));
            }
            lines.next();
        }
        let mut rules = Vec::new();
        for (number, line) in lines {
            match Rule::parse(line) {
                Ok(rule) => rules.push(rule),
                Err(problem) => problems.push(format!("line {number}: {problem}")),
            }
        }
        if problems.is_empty() && rules.is_empty() && preset.is_none() {
            problems.push("no line has a rule".to_owned());
        }
        match problems.is_empty() {
            true => Ok(Self { preset, rules }),
            false => Err(problems),
        }
    }

    /// The policy with these rules.
    pub(crate) fn policy(&self) -> Result<AccessPolicy, ConfigError> {
        let base = match self.preset {
            Some(preset) => preset.policy(),
            None if self.rules.iter().any(|rule| rule.verb == Verb::Allow) => {
                AccessPolicy::deny_all()
            }
            None => AccessPolicy::allow_all(),
        };
        let mut rules = self.rules.iter();
        rules.try_fold(base, |policy, rule| rule.add_to(policy))
    }
}

/// The name of the preset, for the log.
impl fmt::Display for AccessRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.preset, self.rules.len()) {
            (Some(preset), 0) => f.write_str(preset.name()),
            (Some(preset), rules) => write!(f, "{} and {rules} rules", preset.name()),
            (None, rules) => write!(f, "{rules} rules"),
        }
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Self, String> {
        let words: Vec<_> = line.split_whitespace().collect();
        let (verb, methods, path, names) = match words.as_slice() {
            ["allow", methods, path] => (Verb::Allow, methods, path, ""),
            ["deny", methods, path] => (Verb::Deny, methods, path, ""),
            ["fields", methods, path, names] => (Verb::Fields, methods, path, *names),
            ["allow" | "deny" | "fields", ..] | [] => {
                return Err(format!(
                    "{line:?} is not a rule like `allow GET,HEAD /addresses/**` or \
                     `fields PUT / first_name,last_name`"
                ));
            }
            [verb, ..] => return Err(format!("{verb:?} is neither allow, deny nor fields")),
        };
        let rule = Self {
            verb,
            methods: (*methods).to_owned(),
            path: (*path).to_owned(),
            names: names.split(',').map(str::to_owned).collect(),
        };
        match rule.add_to(AccessPolicy::deny_all()) {
            Ok(_) => Ok(rule),
            Err(error) => Err(error.to_string()),
        }
    }

    fn add_to(&self, policy: AccessPolicy) -> Result<AccessPolicy, ConfigError> {
        match self.verb {
            Verb::Allow => policy.allow(&self.methods, &self.path),
            Verb::Deny => policy.deny(&self.methods, &self.path),
            Verb::Fields => policy.allow_fields(&self.methods, &self.path, &self.names),
        }
    }
}
