//! Query names and values as PHP parses them.

use serde_json::{Map, Value};

/// Deeper brackets are ignored.
const NESTING: usize = 64;

/// Parses a query or form as PHP fills `$_GET`: `a[b]=1` nests, the last of equal names wins.
pub(crate) fn parse_query(query: &str) -> Map<String, Value> {
    let mut variables = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode_form(name), decode_form(value));
        let (head, keys) = read_name(&name);
        if !head.is_empty() {
            insert(&mut variables, &head, &keys, value);
        }
    }
    variables
}

/// Percent-decoding as `rawurldecode` does it: an invalid escape is kept.
pub(crate) fn decode(text: &str) -> String {
    String::from_utf8_lossy(&unescape(text.bytes())).into_owned()
}

fn decode_form(text: &str) -> String {
    let spaced = text
        .bytes()
        .map(|byte| if byte == b'+' { b' ' } else { byte });
    String::from_utf8_lossy(&unescape(spaced)).into_owned()
}

fn unescape(bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    let bytes: Vec<u8> = bytes.collect();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.as_slice();
    while let Some((&byte, tail)) = rest.split_first() {
        match (byte, tail) {
            (b'%', [high, low, tail @ ..]) if hex_pair(*high, *low).is_some() => {
                decoded.extend(hex_pair(*high, *low));
                rest = tail;
            }
            _ => {
                decoded.push(byte);
                rest = tail;
            }
        }
    }
    decoded
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// The variable that a parameter's name means, and the keys in brackets after it (`None` for `[]`).
///
/// Leading blanks are ignored, a NUL ends the name, blanks and dots become `_`, and so does a `[`
/// that is never closed.
fn read_name(name: &str) -> (String, Vec<Option<&str>>) {
    let name = name
        .split('\0')
        .next()
        .unwrap_or_default()
        .trim_start_matches(' ');
    let mangle = |text: &str| text.replace([' ', '.'], "_");
    let Some((head, mut rest)) = name.split_once('[') else {
        return (mangle(name), Vec::new());
    };
    if head.is_empty() || !rest.contains(']') {
        return (mangle(&format!("{head}_{rest}")), Vec::new());
    }
    let mut keys = Vec::new();
    while let Some((key, tail)) = rest.split_once(']') {
        keys.push(Some(key).filter(|key| !key.trim().is_empty()));
        match tail.strip_prefix('[') {
            Some(next) if keys.len() < NESTING => rest = next,
            _ => break,
        }
    }
    (mangle(head), keys)
}

fn insert(map: &mut Map<String, Value>, name: &str, keys: &[Option<&str>], value: String) {
    let Some((key, deeper)) = keys.split_first() else {
        map.insert(name.to_owned(), Value::String(value));
        return;
    };
    let slot = map
        .entry(name.to_owned())
        .or_insert_with(|| Value::Object(Map::new()));
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    if let Value::Object(inner) = slot {
        let key = key.map_or_else(|| inner.len().to_string(), str::to_owned);
        insert(inner, &key, deeper, value);
    }
}

#[cfg(test)]
mod tests {
    use super::{decode, parse_query};
    use serde_json::{Value, json};

    #[test]
    fn names_are_read_as_php_reads_them() {
        for (query, read) in [
            ("a=1&a=2&b", json!({"a": "2", "b": ""})),
            ("identity[handle]=x", json!({"identity": {"handle": "x"}})),
            (
                "%69dentity%5Bhandle%5D=x",
                json!({"identity": {"handle": "x"}}),
            ),
            (
                "+identity[handle]junk=x",
                json!({"identity": {"handle": "x"}}),
            ),
            ("identity.handle=x", json!({"identity_handle": "x"})),
            ("identity[handle=x", json!({"identity_handle": "x"})),
            ("+_method=PUT", json!({"_method": "PUT"})),
            (".method=PUT", json!({"_method": "PUT"})),
            ("[method=PUT", json!({"_method": "PUT"})),
            ("%5fmethod%00x=PUT", json!({"_method": "PUT"})),
            (
                "f[a][b]=1&f[a][c]=2",
                json!({"f": {"a": {"b": "1", "c": "2"}}}),
            ),
            ("f[]=1&f[]=2", json!({"f": {"0": "1", "1": "2"}})),
            ("=1&&", json!({})),
        ] {
            assert_eq!(Value::Object(parse_query(query)), read, "{query}");
        }
    }

    #[test]
    fn invalid_escapes_are_kept() {
        assert_eq!(decode("a%2fb%zz%4"), "a/b%zz%4");
        assert_eq!(decode("a+b%2B"), "a+b+");
    }
}
