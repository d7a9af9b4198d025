//! The query of a look-up, and the profile that its response names.

use std::fmt::Write;

use serde::Deserialize;
use serde_json::Value;

use super::sign_up::SignUp;
use super::{email, phone};
use crate::identity::ProfileId;
use crate::rejection::{Rejection, RejectionKind};

/// Pages of a list that are read at most. The first has the tenant's default size, 15 profiles.
pub(super) const MAX_PAGES: u32 = 2;

/// Profiles on the second page: more than three default pages, yet a small response.
const PAGE_SIZE: u32 = 50;

/// The address that a look-up searches for.
#[derive(Clone, Copy)]
pub(super) enum LookupKey<'a> {
    /// An e-mail address in its normal form, and the spelling that the query contains.
    Email { address: &'a str, spelling: &'a str },
    /// A mobile phone number in E.164 form.
    MobilePhone(&'a str),
}

impl<'a> LookupKey<'a> {
    /// The e-mail address, once per spelling that the tenant may have stored.
    pub(super) fn emails(sign_up: &'a SignUp) -> impl Iterator<Item = Self> + Send {
        let address = sign_up.email();
        sign_up
            .emails()
            .map(move |spelling| Self::Email { address, spelling })
    }

    /// The mobile phone number, if the payload has one.
    pub(super) fn phone(sign_up: &'a SignUp) -> Option<Self> {
        sign_up.mobile_phone().map(Self::MobilePhone)
    }

    /// The profile's field, and the value that the query searches for.
    pub(super) fn field(self) -> (&'static str, &'a str) {
        match self {
            Self::Email { spelling, .. } => ("email", spelling),
            Self::MobilePhone(phone) => ("mobile_phone", phone),
        }
    }

    /// The path and query of the first page, with the tenant's default size.
    pub(super) fn first_page(self) -> String {
        let (field, value) = self.field();
        let mut path = String::with_capacity(64 + value.len());
        for part in ["/profiles?filter%5B", field, "%5D="] {
            path.push_str(part);
        }
        percent_encode(value, &mut path);
        path
    }

    /// The path and query of a larger first page. Links in a response are never followed.
    pub(super) fn larger_page(self) -> String {
        let path = self.first_page();
        format!("{path}&page%5Bsize%5D={PAGE_SIZE}&page%5Bnumber%5D=1")
    }

    /// Whether a profile has exactly this address.
    pub(super) fn matches(self, candidate: &Candidate) -> bool {
        match self {
            Self::Email { address, .. } => {
                text(&candidate.email).is_some_and(|other| email::normalizes_to(other, address))
            }
            Self::MobilePhone(phone) => text(&candidate.mobile_phone)
                .and_then(phone::normalize)
                .is_some_and(|other| other == phone),
        }
    }
}

/// The result of a look-up.
#[derive(Debug, PartialEq)]
pub(super) enum LookupResult {
    None,
    Profile(ProfileId),
    /// The response does not identify one profile, for this reason.
    Ambiguous(&'static str),
}

impl LookupResult {
    /// Combines the results of two look-ups for the same person.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, found) | (found, Self::None) => found,
            (Self::Profile(one), Self::Profile(other)) if one == other => Self::Profile(one),
            (Self::Profile(_), Self::Profile(_)) => Self::Ambiguous(TWO_PROFILES),
            (Self::Ambiguous(reason), _) | (_, Self::Ambiguous(reason)) => Self::Ambiguous(reason),
        }
    }
}

const TWO_PROFILES: &str = "two profiles have the same address";

/// A page of a list of profiles.
#[derive(Debug)]
pub(super) struct Page {
    /// The profile with the address.
    pub(super) result: LookupResult,
    /// Whether the list has further pages.
    pub(super) has_more: bool,
}

impl Page {
    /// Parses the response to a look-up.
    ///
    /// The tenant's filters match loosely: parts of an address, `%` and `_` as wildcards, lists at
    /// commas. Only a profile with exactly this e-mail or phone counts.
    pub(super) fn parse(key: LookupKey<'_>, body: &[u8]) -> Result<Self, Rejection> {
        let list: List = serde_json::from_slice(body)
            .map_err(|_| unusable_response("the list of profiles cannot be parsed"))?;
        let matches = list.data.iter().filter(|candidate| key.matches(candidate));
        let results = matches.map(|candidate| match candidate.id() {
            Some(id) => LookupResult::Profile(id),
            None => LookupResult::Ambiguous(INVALID_ID),
        });
        Ok(Self {
            result: results.fold(LookupResult::None, LookupResult::and),
            has_more: list.links.next.is_string()
                || list.meta.last_page.as_u64() > list.meta.current_page.as_u64(),
        })
    }
}

pub(super) const INVALID_ID: &str = "the id of the profile is not a valid path segment";

/// The rejection for a response that does not identify one profile.
pub(super) fn unusable_response(reason: &'static str) -> Rejection {
    Rejection::new(RejectionKind::TenantAnswer).because_text(reason)
}

#[derive(Deserialize)]
struct List {
    data: Vec<Candidate>,
    #[serde(default)]
    links: Links,
    #[serde(default)]
    meta: Meta,
}

/// The fields of a profile that are compared with the sign-up. A value other than a string never
/// equals an address.
#[derive(Deserialize)]
pub(super) struct Candidate {
    id: Option<Value>,
    email: Option<Value>,
    mobile_phone: Option<Value>,
}

impl Candidate {
    /// The id, if it is a valid segment of a path.
    pub(super) fn id(&self) -> Option<ProfileId> {
        text(&self.id)?.parse().ok()
    }
}

fn text(field: &Option<Value>) -> Option<&str> {
    field.as_ref().and_then(Value::as_str)
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

/// Appends a query value. Every character except the unreserved ones of RFC 3986 §2.3 is
/// percent-encoded; the tenant would decode a raw `+` to a space.
fn percent_encode(value: &str, out: &mut String) {
    for byte in value.bytes() {
        // Writing to a `String` cannot fail.
        let _ = match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => out.write_char(char::from(byte)),
            false => write!(out, "%{byte:02X}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    const ADA: LookupKey<'static> = email("ada@example.com");
    const PHONE: LookupKey<'static> = LookupKey::MobilePhone("+61412345678");

    const fn email(address: &str) -> LookupKey<'_> {
        LookupKey::Email {
            address,
            spelling: address,
        }
    }

    fn found_id(key: LookupKey<'_>, body: &str) -> Option<String> {
        let page = Page::parse(key, body.as_bytes()).unwrap();
        match page.result {
            LookupResult::None => None,
            LookupResult::Profile(id) => Some(id.to_string()),
            LookupResult::Ambiguous(reason) => panic!("{reason}"),
        }
    }

    fn look_up(key: LookupKey<'_>, body: &str) -> LookupResult {
        Page::parse(key, body.as_bytes()).unwrap().result
    }

    fn cause(key: LookupKey<'_>, body: &str) -> String {
        let rejection = Page::parse(key, body.as_bytes()).unwrap_err();
        assert_eq!(rejection.kind(), RejectionKind::TenantAnswer);
        rejection.source().unwrap().to_string()
    }

    #[test]
    fn query_values_are_percent_encoded() {
        let path = email("a+b&c=%_*#é@x.example").first_page();
        assert_eq!(
            path,
            "/profiles?filter%5Bemail%5D=a%2Bb%26c%3D%25_%2A%23%C3%A9%40x.example"
        );
        assert_eq!(
            PHONE.first_page(),
            "/profiles?filter%5Bmobile_phone%5D=%2B61412345678"
        );
        assert_eq!(
            PHONE.larger_page(),
            "/profiles?filter%5Bmobile_phone%5D=%2B61412345678&page%5Bsize%5D=50&page%5Bnumber%5D=1"
        );
    }

    #[test]
    fn similar_addresses_do_not_match() {
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
            assert_eq!(found_id(ADA, &body), None, "{email}");
        }
        for phone in [
            r#""+614123456789""#,
            r#""61412345678""#,
            r#""0412345678""#,
            "null",
        ] {
            let body = format!(r#"{{"data":[{{"id":"eve-1","mobile_phone":{phone}}}]}}"#);
            assert_eq!(found_id(PHONE, &body), None, "{phone}");
        }
        assert_eq!(found_id(ADA, r#"{"data":[{"id":"eve-1"}]}"#), None);
        assert_eq!(found_id(ADA, r#"{"data":[]}"#), None);
    }

    #[test]
    fn the_profile_with_the_address_is_found_among_others() {
        let body = r#"{"data":[{"id":"../x","email":"xada@example.com"},
            {"id":"ada-1","email":" ADA@example.COM ","mobile_phone":"+61 412 345 678","x":{}}]}"#;
        assert_eq!(found_id(ADA, body).as_deref(), Some("ada-1"));
        assert_eq!(found_id(PHONE, body).as_deref(), Some("ada-1"));
    }

    #[test]
    fn an_ambiguous_response_does_not_yield_a_profile() {
        let two = concat!(
            r#"{"data":[{"id":"a-1","email":"ada@example.com"},{"id":"a-2","#,
            r#""email":"Ada@example.com"}]}"#
        );
        assert_eq!(look_up(ADA, two), LookupResult::Ambiguous(TWO_PROFILES));
        for id in [r#""../admin""#, r#""""#, r#""search-id""#, "7", "null"] {
            let body = format!(r#"{{"data":[{{"id":{id},"email":"ada@example.com"}}]}}"#);
            assert_eq!(
                look_up(ADA, &body),
                LookupResult::Ambiguous(INVALID_ID),
                "{id}"
            );
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
                "the list of profiles cannot be parsed",
                "{body}"
            );
        }
    }

    #[test]
    fn a_further_page_is_detected_by_link_and_by_number() {
        for (rest, has_more) in [
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
                Page::parse(ADA, body.as_bytes()).unwrap().has_more,
                has_more,
                "{rest}"
            );
        }
    }
}
