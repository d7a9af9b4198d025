//! What no log may hold.

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
];

/// Of the people in the sandbox and in the tests' own tenants, as whole words.
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

/// The first thing in a text that must not be logged: a token, an address, a number, a name.
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

/// Three parts, of which the first begins as an encoded JSON object does.
fn token(text: &str) -> Option<String> {
    text.match_indices("eyJ").find_map(|(at, _)| {
        let rest = &text[at..];
        let part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        let token = &rest[..end];
        (token.split('.').count() >= 3).then(|| format!("the token {token}"))
    })
}

/// An `@`, encoded or not, between what can stand there.
fn email(text: &str) -> Option<String> {
    let local = |c: char| c.is_alphanumeric() || "._%+-".contains(c);
    ["@", "%40"].into_iter().find_map(|at| {
        text.match_indices(at).find_map(|(index, at)| {
            let before = text[..index].chars().next_back()?;
            let after = text[index + at.len()..].chars().next()?;
            (local(before) && after.is_alphanumeric()).then(|| format!("an e-mail in {text}"))
        })
    })
}

/// E.164: a `+`, encoded or not, and at least eight digits.
fn phone(text: &str) -> Option<String> {
    ["+", "%2B", "%2b"].into_iter().find_map(|plus| {
        text.match_indices(plus).find_map(|(index, plus)| {
            let rest = text[index + plus.len()..].chars();
            let digits = rest.take_while(char::is_ascii_digit).count();
            (digits >= 8).then(|| format!("a phone number in {text}"))
        })
    })
}

#[test]
fn what_must_not_be_logged_is_found() {
    for bad in [
        "eyJhbGciOiJIUzI1NiJ9.eyJwaWQiOiJudWxsIn0.c2lnbmF0dXJl",
        "Bearer eyJhbGciOiJub25lIn0.eyJwaWQiOiJ4In0. and more",
        "no such person: ada.lovelace@example.com",
        "filter%5Bemail%5D=kim%2Bvip%40example.com",
        "phone +61412323123",
        "phone=%2B61412323123",
        "Some(\"sandbox-api-token\")",
        "Bearer 7|4fzKq0pLw8sN1vXyT2uR",
        "full_name: Zoë",
        "{\"name\":\"Ada\"}",
    ] {
        assert!(find(bad).is_some(), "{bad}");
    }
    for good in [
        "",
        "the tenant's response contained its API token and was aborted",
        "application/json; a.b.c; 1.2.3",
        "fields=[\"email\", \"first_name\"]",
        "2026-11-23T06:19:07+00:00, +1 more, @ home",
        "65c0ffee-e29b-41d4-a716-446655440000",
        "eyJhbGciOiJIUzI1NiJ9",
    ] {
        assert_eq!(find(good), None);
    }
}
