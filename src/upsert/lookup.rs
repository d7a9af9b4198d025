//! What the tenant is asked, and what of its answer is believed. Pure.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::sign_up::SignUp;
use super::{email, phone};
use crate::identity::ProfileId;
use crate::rejection::{Rejection, RejectionKind};

/// Pages of a list that are read at most. The first is as long as the tenant makes it, 15 profiles.
pub(super) const MAX_PAGES: u32 = 2;

/// Profiles on the second page.
const PAGE_SIZE: u32 = 50;

/// What a person is looked up by.
#[derive(Clone, Copy)]
pub(super) enum By<'a> {
    /// An e-mail address in its one form, and the form in which the tenant is asked for it.
    Email { address: &'a str, asked: &'a str },
    /// A mobile phone number in E.164 form.
    MobilePhone(&'a str),
}

impl<'a> By<'a> {
    /// The e-mail address in each form in which the tenant may have it.
    pub(super) fn emails(sign_up: &'a SignUp) -> impl Iterator<Item = Self> + Send {
        let address = sign_up.email();
        sign_up
            .emails()
            .map(move |asked| Self::Email { address, asked })
    }

    /// The mobile phone number, if one was given.
    pub(super) fn phone(sign_up: &'a SignUp) -> Option<Self> {
        sign_up.mobile_phone().map(Self::MobilePhone)
    }

    /// The profile's field, and the value that is looked for in it.
    pub(super) fn field(self) -> (&'static str, &'a str) {
        match self {
            Self::Email { asked, .. } => ("email", asked),
            Self::MobilePhone(phone) => ("mobile_phone", phone),
        }
    }

    /// The path and query of the list, its first page as long as the tenant makes it.
    pub(super) fn list(self) -> String {
        let (field, value) = self.field();
        let mut list = String::with_capacity(64 + value.len());
        for part in ["/profiles?filter%5B", field, "%5D="] {
            list.push_str(part);
        }
        encode(value, &mut list);
        list
    }

    /// A longer first page of the list. The tenant's own links are never followed.
    pub(super) fn longer_list(self) -> String {
        let list = self.list();
        format!("{list}&page%5Bsize%5D={PAGE_SIZE}&page%5Bnumber%5D=1")
    }

    /// Whether a profile has exactly this address.
    pub(super) fn is(self, candidate: &Candidate<'_>) -> bool {
        match self {
            Self::Email { address, .. } => {
                text(&candidate.email).is_some_and(|other| email::is_same(other, address))
            }
            Self::MobilePhone(phone) => text(&candidate.mobile_phone)
                .and_then(phone::normalize)
                .is_some_and(|other| other == phone),
        }
    }
}

/// The profile that a look-up found.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    None,
    Profile(ProfileId),
    /// The tenant has the address in a way that does not name one profile.
    Doubt(&'static str),
}

impl Found {
    /// The result of two look-ups for the same person.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, found) | (found, Self::None) => found,
            (Self::Profile(one), Self::Profile(other)) if one == other => Self::Profile(one),
            (Self::Profile(_), Self::Profile(_)) => Self::Doubt(TWO_PROFILES),
            (Self::Doubt(why), _) | (_, Self::Doubt(why)) => Self::Doubt(why),
        }
    }
}

const TWO_PROFILES: &str = "two profiles have the same address";

/// A page of a list of profiles.
#[derive(Debug)]
pub(super) struct Page {
    /// The one profile that is asked for.
    pub(super) found: Found,
    /// Whether the tenant says that there are more.
    pub(super) more: bool,
}

impl Page {
    /// Reads an answer to a look-up.
    ///
    /// The tenant's filters match loosely: parts of an address, `%` and `_` as wildcards, lists at
    /// commas. Only a profile with exactly this e-mail or phone counts.
    pub(super) fn read(by: By<'_>, body: &[u8]) -> Result<Self, Rejection> {
        let list: List<'_> = serde_json::from_slice(body)
            .map_err(|_| unusable("the list of profiles cannot be read"))?;
        let matches = list.data.iter().filter(|candidate| by.is(candidate));
        let found = matches.map(|candidate| match candidate.id() {
            Some(id) => Found::Profile(id),
            None => Found::Doubt(NO_ID),
        });
        Ok(Self {
            found: found.fold(Found::None, Found::and),
            more: list.links.next.is_string()
                || list.meta.last_page.as_u64() > list.meta.current_page.as_u64(),
        })
    }
}

pub(super) const NO_ID: &str = "the id of the profile cannot be part of a path";

/// An answer that leaves a doubt about who is who.
pub(super) fn unusable(why: &'static str) -> Rejection {
    Rejection::new(RejectionKind::TenantAnswer).because(LookupError(why))
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    data: Vec<Candidate<'a>>,
    #[serde(default)]
    links: Links,
    #[serde(default)]
    meta: Meta,
}

/// What of a profile is compared.
#[derive(Deserialize)]
pub(super) struct Candidate<'a> {
    #[serde(borrow)]
    id: Option<Field<'a>>,
    #[serde(borrow)]
    email: Option<Field<'a>>,
    #[serde(borrow)]
    mobile_phone: Option<Field<'a>>,
}

impl Candidate<'_> {
    /// The id, if it can be part of a path.
    pub(super) fn id(&self) -> Option<ProfileId> {
        text(&self.id)?.parse().ok()
    }
}

/// A text, or another value, which equals no address.
#[derive(Deserialize)]
#[serde(untagged)]
enum Field<'a> {
    #[serde(borrow)]
    Text(Cow<'a, str>),
    Other(IgnoredAny),
}

fn text<'a>(field: &'a Option<Field<'_>>) -> Option<&'a str> {
    match field {
        Some(Field::Text(text)) => Some(text),
        Some(Field::Other(_)) | None => None,
    }
}

#[derive(Default, Deserialize)]
struct Links {
    #[serde(default)]
    next: Value,
}

#[derive(Default, Deserialize)]
struct Meta {
    #[serde(default)]
    current_page: Value,
    #[serde(default)]
    last_page: Value,
}

/// Why an answer to a look-up cannot be used. For the operator.
#[derive(Debug)]
struct LookupError(&'static str);

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for LookupError {}

/// Appends one value of a query: everything but RFC 3986 §2.3's unreserved characters is
/// percent-encoded. A raw `+` would arrive as a blank.
fn encode(value: &str, out: &mut String) {
    let digit =
        |half: u8| char::from_digit(half.into(), 16).map(|digit| digit.to_ascii_uppercase());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend(digit(byte >> 4));
            out.extend(digit(byte & 15));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    const ADA: By<'static> = email("ada@example.com");
    const PHONE: By<'static> = By::MobilePhone("+61412345678");

    const fn email(address: &str) -> By<'_> {
        By::Email {
            address,
            asked: address,
        }
    }

    fn hit(by: By<'_>, body: &str) -> Option<String> {
        let page = Page::read(by, body.as_bytes()).unwrap();
        match page.found {
            Found::None => None,
            Found::Profile(id) => Some(id.to_string()),
            Found::Doubt(why) => panic!("{why}"),
        }
    }

    fn doubt(by: By<'_>, body: &str) -> Found {
        Page::read(by, body.as_bytes()).unwrap().found
    }

    fn cause(by: By<'_>, body: &str) -> String {
        let rejection = Page::read(by, body.as_bytes()).unwrap_err();
        assert_eq!(rejection.kind(), RejectionKind::TenantAnswer);
        rejection.source().unwrap().to_string()
    }

    #[test]
    fn values_are_encoded_to_the_last_character() {
        let path = email("a+b&c=%_*#é@x.example").list();
        assert_eq!(
            path,
            "/profiles?filter%5Bemail%5D=a%2Bb%26c%3D%25_%2A%23%C3%A9%40x.example"
        );
        assert_eq!(
            PHONE.list(),
            "/profiles?filter%5Bmobile_phone%5D=%2B61412345678"
        );
        assert_eq!(
            PHONE.longer_list(),
            "/profiles?filter%5Bmobile_phone%5D=%2B61412345678&page%5Bsize%5D=50&page%5Bnumber%5D=1"
        );
    }

    #[test]
    fn look_alikes_never_match() {
        for email in [
            r#""xada@example.com""#,
            r#""ada@example.com.au""#,
            r#""ada@exampleXcom""#,
            r#""%@example.com""#,
            r#""ada@example.com,eve@example.com""#,
            r#""ad\u00e1@example.com""#,
            "null",
            "7",
            r#"["ada@example.com"]"#,
        ] {
            let body = format!(r#"{{"data":[{{"id":"eve-1","email":{email}}}]}}"#);
            assert_eq!(hit(ADA, &body), None, "{email}");
        }
        for phone in [
            r#""+614123456789""#,
            r#""61412345678""#,
            r#""0412345678""#,
            "null",
        ] {
            let body = format!(r#"{{"data":[{{"id":"eve-1","mobile_phone":{phone}}}]}}"#);
            assert_eq!(hit(PHONE, &body), None, "{phone}");
        }
        assert_eq!(hit(ADA, r#"{"data":[{"id":"eve-1"}]}"#), None);
        assert_eq!(hit(ADA, r#"{"data":[]}"#), None);
    }

    #[test]
    fn the_one_person_is_found_among_others() {
        let body = r#"{"data":[{"id":"../x","email":"xada@example.com"},
            {"id":"ada-1","email":" ADA@example.COM ","mobile_phone":"+61 412 345 678","x":{}}]}"#;
        assert_eq!(hit(ADA, body).as_deref(), Some("ada-1"));
        assert_eq!(hit(PHONE, body).as_deref(), Some("ada-1"));
    }

    #[test]
    fn an_answer_that_leaves_a_doubt_is_not_used() {
        let two = r#"{"data":[{"id":"a-1","email":"ada@example.com"},{"id":"a-2","email":"Ada@example.com"}]}"#;
        assert_eq!(doubt(ADA, two), Found::Doubt(TWO_PROFILES));
        for id in [r#""../admin""#, r#""""#, r#""search-id""#, "7", "null"] {
            let body = format!(r#"{{"data":[{{"id":{id},"email":"ada@example.com"}}]}}"#);
            assert_eq!(doubt(ADA, &body), Found::Doubt(NO_ID), "{id}");
        }
        for body in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"data":{}}"#,
            r#"{"data":[7]}"#,
            r#"{"data":null}"#,
        ] {
            assert_eq!(
                cause(ADA, body),
                "the list of profiles cannot be read",
                "{body}"
            );
        }
    }

    #[test]
    fn a_further_page_is_known_by_link_or_by_number() {
        for (rest, more) in [
            (r#""links":{"next":"https://x/profiles?page=2"}"#, true),
            (r#""meta":{"current_page":1,"last_page":2}"#, true),
            (
                r#""links":{"next":null},"meta":{"current_page":2,"last_page":2}"#,
                false,
            ),
            (r#""meta":{}"#, false),
        ] {
            let body = format!(r#"{{"data":[],{rest}}}"#);
            assert_eq!(
                Page::read(ADA, body.as_bytes()).unwrap().more,
                more,
                "{rest}"
            );
        }
    }
}
