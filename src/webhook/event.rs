//! Parses the event of a webhook from its header and body.
//!
//! Omneo documents the names of the events, not the members of their bodies. A member therefore
//! counts only if it cannot name another profile than the intended one.

use http::{HeaderMap, HeaderName};
use serde_json::Value;

use super::location::LocationEvent;
use super::profiles::{deleted_profiles, merged_profiles};
use crate::headers::single_value;
use crate::identity::ProfileId;

pub(super) const EVENT: HeaderName = HeaderName::from_static("x-omneo-event");

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// These profiles no longer exist.
    ProfilesGone(Vec<ProfileId>),
    Location(LocationEvent),
    /// An event without an effect here.
    Other,
}

/// Why an event of a handled type has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Neither the header nor the body names the event.
    NoEvent,
    /// Header and body name different events, or the header occurs twice. The signature covers the
    /// body alone, so the header could have been replaced.
    ConflictingEvents,
    /// The body is not JSON.
    NotJson,
    /// The body does not name a deleted or merged profile.
    NoProfile,
}

impl Unreadable {
    pub(super) const COUNT: usize = 4;

    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::NoEvent => "the webhook names no event",
            Self::ConflictingEvents => "the webhook names several events",
            Self::NotJson => "the body of the webhook is not JSON",
            Self::NoProfile => "the body of the webhook names no profile that is gone",
        }
    }
}

const DELETED: &str = "profile.deleted";
const MERGED: &str = "profile.merged";
const LOCATION: &str = "location.";

impl Event {
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Unreadable> {
        let header = single_value(headers, EVENT).map_err(|_| Unreadable::ConflictingEvents)?;
        let header = header.map(|name| name.to_str().unwrap_or_default());
        // Most events have no effect here, so their bodies are not parsed.
        if header.is_some_and(|name| !has_effect(name)) {
            return Ok(Self::Other);
        }
        let body = serde_json::from_slice(body).map_err(|_| Unreadable::NotJson);
        let named = body.as_ref().ok().and_then(event_of_body);
        let name = match (header, named) {
            (Some(header), Some(named)) if header != named => {
                return Err(Unreadable::ConflictingEvents);
            }
            (Some(name), _) | (None, Some(name)) => name,
            (None, None) => return Err(body.err().unwrap_or(Unreadable::NoEvent)),
        };
        let body = body.as_ref().map_err(|&unreadable| unreadable);
        let profiles = match name {
            DELETED => deleted_profiles(body?),
            MERGED => merged_profiles(body?),
            _ if name.starts_with(LOCATION) => {
                // A location that cannot be identified may be any of them.
                return Ok(Self::Location(LocationEvent::new(name, body.ok())));
            }
            _ => return Ok(Self::Other),
        };
        match profiles.is_empty() {
            true => Err(Unreadable::NoProfile),
            false => Ok(Self::ProfilesGone(profiles)),
        }
    }
}

fn has_effect(event: &str) -> bool {
    event == DELETED || event == MERGED || event.starts_with(LOCATION)
}

/// The name of the event in the body. A text without a dot (`deleted`, `1`) is not an event name,
/// so it is not compared with the header.
fn event_of_body(body: &Value) -> Option<&str> {
    body.get("event")?
        .as_str()
        .filter(|name| name.contains('.'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    const ID: &str = "3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10";

    fn read(headers: &[&str], body: &str) -> Result<Event, Unreadable> {
        let mut map = HeaderMap::new();
        for name in headers {
            map.append(EVENT, HeaderValue::from_bytes(name.as_bytes()).unwrap());
        }
        Event::read(&map, body.as_bytes())
    }

    fn gone() -> Result<Event, Unreadable> {
        Ok(Event::ProfilesGone(vec![ID.parse().unwrap()]))
    }

    #[test]
    fn the_header_or_the_body_names_the_event() {
        let body = json!({ "id": ID }).to_string();
        assert_eq!(read(&[DELETED], &body), gone());
        assert_eq!(read(&[], &body), Err(Unreadable::NoEvent));
        for (event, header) in [
            (json!(DELETED), Some(DELETED)),
            (json!(DELETED), None),
            (json!("deleted"), Some(DELETED)),
            (json!(null), Some(DELETED)),
            (json!({ "name": "x.y" }), Some(DELETED)),
        ] {
            let body = json!({ "event": event, "id": ID }).to_string();
            let headers: Vec<&str> = header.into_iter().collect();
            assert_eq!(read(&headers, &body), gone(), "{event}");
        }
        let body = json!({ "event": "profile.updated", "id": ID }).to_string();
        assert_eq!(read(&[], &body), Ok(Event::Other));
        assert_eq!(read(&["profile.updated"], &body), Ok(Event::Other));
        assert_eq!(read(&[DELETED], &body), Err(Unreadable::ConflictingEvents));
        assert_eq!(
            read(&[DELETED, DELETED], &body),
            Err(Unreadable::ConflictingEvents)
        );
    }

    #[test]
    fn an_event_without_an_effect_is_not_parsed() {
        for name in [
            "profile.created",
            "balance.updated",
            "",
            "PROFILE.DELETED",
            "profile.deleted.x",
            "\u{e9}",
        ] {
            assert_eq!(read(&[name], "not JSON"), Ok(Event::Other), "{name}");
        }
        for name in [DELETED, MERGED] {
            assert_eq!(read(&[name], "not JSON"), Err(Unreadable::NotJson));
            for body in [
                "null",
                "[]",
                "7",
                "{}",
                r#"[{"id":"3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10"}]"#,
            ] {
                assert_eq!(read(&[name], body), Err(Unreadable::NoProfile), "{body}");
            }
        }
        assert_eq!(read(&[], ""), Err(Unreadable::NotJson));
        assert_eq!(read(&[], "\"profile.deleted\""), Err(Unreadable::NoEvent));
    }

    #[test]
    fn an_unreadable_location_event_concerns_every_location() {
        let Ok(Event::Location(event)) = read(&["location.updated"], "not JSON") else {
            panic!("no event of a location");
        };
        assert_eq!(
            (event.name(), event.location_id()),
            ("location.updated", None)
        );
    }
}
