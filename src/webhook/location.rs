use serde_json::Value;

/// A change of a location that the tenant announces, such as `location.updated`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocationEvent {
    name: Box<str>,
    location_id: Option<Box<str>>,
}

/// Members of a body that may contain the location.
const LOCATION: [&str; 2] = ["data", "location"];
const ID: [&str; 2] = ["id", "location_id"];
/// The longest id, in bytes. An integer or a UUID is shorter.
const MAX_ID_LEN: usize = 64;

impl LocationEvent {
    /// `body` is `None` if it is not JSON.
    pub(super) fn new(name: &str, body: Option<&Value>) -> Self {
        Self {
            name: name.into(),
            location_id: body.and_then(only_id),
        }
    }

    /// The name of the event: `location.created`, `location.updated`, or another one that begins
    /// with `location.`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of the location; `None` if the body names none or several. The event may then be
    /// about any location.
    pub fn location_id(&self) -> Option<&str> {
        self.location_id.as_deref()
    }
}

fn only_id(body: &Value) -> Option<Box<str>> {
    let inner = LOCATION.iter().filter_map(|name| body.get(name));
    let innermost = inner.clone().filter_map(|inner| inner.get("location"));
    let mut ids = [body]
        .into_iter()
        .chain(inner)
        .chain(innermost)
        .flat_map(|scope| ID.iter().filter_map(|name| id(scope.get(name)?)));
    let first = ids.next()?;
    ids.all(|id| id == first).then_some(first)
}

/// The id of a location is a number; its text is accepted too.
fn id(value: &Value) -> Option<Box<str>> {
    let text = match value {
        Value::Number(number) => number.as_u64()?.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let is_id = (1..=MAX_ID_LEN).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    is_id.then(|| text.into())
}

/// A subscriber to [`LocationEvent`]s, in the process. Any `Fn(&LocationEvent)` is one.
///
/// It is called before the response to the webhook is sent, so it must not block.
pub trait LocationListener: Send + Sync + 'static {
    /// Handles an event whose signature is valid. The tenant may deliver it more than once, or out
    /// of order.
    fn location_changed(&self, event: &LocationEvent);
}

impl<F> LocationListener for F
where
    F: Fn(&LocationEvent) + Send + Sync + 'static,
{
    fn location_changed(&self, event: &LocationEvent) {
        self(event);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_only_id_of_a_body_is_the_location() {
        for (body, expected) in [
            (json!({ "id": 12 }), Some("12")),
            (
                json!({ "data": { "id": 12, "location_id": "12" } }),
                Some("12"),
            ),
            (json!({ "location": { "id": "store-7" } }), Some("store-7")),
            (json!({ "data": { "location": { "id": 1 } } }), Some("1")),
            (json!({ "id": "evt 1", "data": { "id": 3 } }), Some("3")),
            (json!({ "id": 4, "data": { "id": 3 } }), None),
            (json!({ "id": -1 }), None),
            (json!({ "id": 1.5 }), None),
            (json!({ "id": "../x" }), None),
            (json!({ "id": "" }), None),
            (json!([1]), None),
            (json!(null), None),
        ] {
            let event = LocationEvent::new("location.updated", Some(&body));
            assert_eq!(event.location_id(), expected, "{body}");
        }
    }
}
