use serde::{Serialize, Serializer};

/// Invalid fields with their messages, in the order of [`add`](Self::add): the `errors` of a 422.
///
/// Nested fields are dotted, as in the tenant's responses: `attributes.comms.email_promo`.
///
/// ```
/// use omneo_id::rejection::FieldErrors;
///
/// let mut errors = FieldErrors::default();
/// errors.add("email", "The email field is required.");
/// assert_eq!(serde_json::to_string(&errors)?, r#"{"email":["The email field is required."]}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(Vec<(String, Vec<String>)>);

impl FieldErrors {
    /// Adds a message to a field. A field may have several messages.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        let field = field.into();
        match self.0.iter_mut().find(|(name, _)| *name == field) {
            Some((_, messages)) => messages.push(message.into()),
            None => self.0.push((field, vec![message.into()])),
        }
    }

    /// Whether there are no messages.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields with their messages, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0
            .iter()
            .map(|(field, messages)| (field.as_str(), messages.as_slice()))
    }

    /// The first message, which the tenant also uses as the `message` of its 422.
    pub(super) fn first(&self) -> Option<&str> {
        self.0.first()?.1.first().map(String::as_str)
    }
}

impl Serialize for FieldErrors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}
