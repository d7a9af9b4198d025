use crate::rejection::FieldErrors;

/// The longest id or handle, in bytes; ids of shop platforms have some dozens. 255 is Laravel's
/// default length of a text column.
const MAX_LEN: usize = 255;

/// The value of a member that is an id or a handle.
#[derive(Default)]
pub(super) enum Field {
    #[default]
    Absent,
    Text(String),
    /// The decimal text of a number: ids of shop platforms are numbers.
    Number(String),
    Other,
}

impl Field {
    /// Parses one JSON value. Numbers keep their text: the number type that `serde_json` produces
    /// depends on features that other crates of the build may enable.
    pub(super) fn from_json(json: &str) -> serde_json::Result<Self> {
        Ok(match json.as_bytes().first() {
            Some(b'"') => Self::Text(serde_json::from_str(json)?),
            Some(b'n') => Self::Absent,
            _ if is_integer(json) => Self::Number(json.to_owned()),
            _ => Self::Other,
        })
    }

    /// The trimmed text, or `None` if it is empty or absent. Another type is an error of the field.
    pub(super) fn text(self, name: &str, errors: &mut FieldErrors) -> Option<String> {
        let text = match self {
            Self::Absent => return None,
            Self::Text(text) | Self::Number(text) => text,
            Self::Other => {
                errors.add(name, format!("The {name} must be a string."));
                return None;
            }
        };
        let text = trimmed(&text);
        if text.len() > MAX_LEN {
            errors.add(
                name,
                format!("The {name} may not be longer than {MAX_LEN} bytes."),
            );
        }
        if text.chars().any(char::is_control) {
            errors.add(name, format!("The {name} may not hold control characters."));
        }
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// Trims white space and invisible characters as Laravel's middleware `TrimStrings` does, so that
/// the tenant's response is about the same text.
fn trimmed(text: &str) -> &str {
    let invisible = ['\u{feff}', '\u{200b}', '\u{200e}'];
    text.trim_matches(|character: char| character.is_whitespace() || invisible.contains(&character))
}

/// Whether this is a signed or unsigned 64-bit integer other than `-0`.
fn is_integer(json: &str) -> bool {
    json != "-0" && (json.parse::<u64>().is_ok() || json.parse::<i64>().is_ok())
}
