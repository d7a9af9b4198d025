//! Secrets and personal data of the tests, which no log may contain.

/// API tokens that the tests use.
const API_TOKENS: &[&str] = &[
    "sandbox-api-token",
    "sandbox-second-api-token",
    "sandbox-read-only-api-token",
    "sandbox-locations-api-token",
    "4fzKq0pLw8sN1vXyT2uR",
    "the-callers-api-token",
    "of-the-caller",
    "a-token-of-the-caller",
    "pinned-by-the-operator",
    "api-secret",
    "the-api-token",
    "sandbox-webhook-secret",
    "sesame-4711",
];

/// Names of the profiles in the sandbox and in the scripted tenants, matched as whole words.
const NAMES: &[&str] = &[
    "Ada",
    "Adeyemi",
    "Bianchi",
    "Chiara",
    "Fischer",
    "Grace",
    "Greta",
    "Haddad",
    "Hopper",
    "Lovelace",
    "Muñoz",
    "Mária",
    "Ngata",
    "Nguyen",
    "Nováková",
    "Priya",
    "Raman",
    "Sato",
    "Siobhán",
    "Turing",
    "Weiss",
    "Zoë",
    "Ångström",
    "太郎",
    "山田",
];

/// The first secret or personal datum in a text: a token, an e-mail address, a phone number or a
/// name.
pub(crate) fn find(text: &str) -> Option<String> {
    token(text)
        .or_else(|| email(text))
        .or_else(|| phone(text))
        .or_else(|| {
            let token = API_TOKENS.iter().find(|token| text.contains(**token))?;
            Some(format!("the API token {token}"))
        })
        .or_else(|| {
            let mut words = text.split(|c: char| !c.is_alphanumeric());
            let name = words.find(|word| NAMES.contains(word))?;
            Some(format!("the name {name}"))
        })
}

/// A JWT: three parts, and the first begins with the Base64 form of `{"`.
fn token(text: &str) -> Option<String> {
    text.match_indices("eyJ").find_map(|(at, _)| {
        let rest = &text[at..];
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c))
            .unwrap_or(rest.len());
        let token = &rest[..end];
        (token.split('.').count() >= 3).then(|| format!("the token {token}"))
    })
}

/// An e-mail address: an `@`, percent-encoded or not, between a local part and a domain.
fn email(text: &str) -> Option<String> {
    ["@", "%40"].into_iter().find_map(|at| {
        text.match_indices(at).find_map(|(index, at)| {
            let before = text[..index].chars().next_back()?;
            let after = text[index + at.len()..].chars().next()?;
            let is_address =
                (before.is_alphanumeric() || "._%+-".contains(before)) && after.is_alphanumeric();
            is_address.then(|| format!("an e-mail in {text}"))
        })
    })
}

/// A phone number (E.164): a `+`, percent-encoded or not, and at least eight digits.
fn phone(text: &str) -> Option<String> {
    ["+", "%2B", "%2b"].into_iter().find_map(|plus| {
        text.match_indices(plus).find_map(|(index, plus)| {
            let rest = text[index + plus.len()..].chars();
            let digits = rest.take_while(char::is_ascii_digit).count();
            (digits >= 8).then(|| format!("a phone number in {text}"))
        })
    })
}
