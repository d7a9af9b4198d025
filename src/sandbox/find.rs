//! Filters, search and sorting of lists, as lenient as a real tenant.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::call::Call;
use super::matching::Matching;

/// The fields that `search` reads.
const SEARCH_FIELDS: [&str; 4] = ["email", "first_name", "last_name", "mobile_phone"];

/// Applies `filter[…]`, `search` and `sort` of the query.
pub(crate) fn select(call: &Call, matching: Matching, mut items: Vec<Value>) -> Vec<Value> {
    if let Some(Value::Object(filters)) = call.query.get("filter") {
        items.retain(|item| matches_filters(item, filters, matching));
    }
    if let Some(text) = call.query.get("search").and_then(Value::as_str) {
        items.retain(|item| matches_search(item, text));
    }
    if let Some(keys) = call.query.get("sort").and_then(Value::as_str) {
        for key in keys.split(',').rev() {
            let (key, descending) = key
                .strip_prefix('-')
                .map_or((key, false), |key| (key, true));
            items.sort_by(|a, b| {
                let order = compare(a.get(key), b.get(key));
                if descending { order.reverse() } else { order }
            });
        }
    }
    items
}

/// A filter without a value, or on a field that the record lacks, matches every record.
fn matches_filters(item: &Value, filters: &Map<String, Value>, matching: Matching) -> bool {
    let default = match matching {
        Matching::Loose => "like",
        Matching::Exact => "eq",
    };
    filters.iter().all(|(field, condition)| {
        let Some(value) = item.get(field) else {
            return true;
        };
        match condition {
            Value::String(expected) => matches_condition(value, default, expected.trim()),
            Value::Object(operators) => operators.iter().all(|(operator, expected)| {
                let expected = expected.as_str().unwrap_or_default();
                matches_condition(value, operator, expected.trim())
            }),
            _ => true,
        }
    })
}

fn matches_condition(value: &Value, operator: &str, expected: &str) -> bool {
    if expected.is_empty() {
        return true;
    }
    let text = match value {
        Value::Null => return operator == "neq",
        Value::Bool(true) => "1".to_owned(),
        Value::Bool(false) => "0".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let expected = match (value, expected) {
        (Value::Bool(_), "true") => "1",
        (Value::Bool(_), "false") => "0",
        _ => expected,
    };
    let equal = |expected: &str| text.to_lowercase() == expected.to_lowercase();
    let order = || match (text.parse::<f64>(), expected.parse::<f64>()) {
        (Ok(text), Ok(expected)) => text.partial_cmp(&expected),
        _ => Some(text.as_str().cmp(expected)),
    };
    match operator {
        "like" if value.is_string() => like(&format!("%{expected}%"), &text),
        "neq" => !equal(expected),
        "in" => expected.split(',').any(equal),
        "gt" => order() == Some(Ordering::Greater),
        "gte" => order().is_some_and(Ordering::is_ge),
        "lt" => order() == Some(Ordering::Less),
        "lte" => order().is_some_and(Ordering::is_le),
        _ => equal(expected),
    }
}

/// SQL's `LIKE`, ignoring case: `%` is any text, `_` any character.
fn like(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where to resume when the text after the last `%` does not match.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('%') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(expected) if *expected == '_' || text.get(t) == Some(expected) => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    p = star + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|rest| *rest == '%')
}

/// Typo-tolerant search: each word occurs in the record, or is at most two edits away from one of
/// its words.
fn matches_search(item: &Value, text: &str) -> bool {
    let record = SEARCH_FIELDS
        .iter()
        .filter_map(|field| item.get(*field).and_then(Value::as_str));
    let record = record.collect::<Vec<_>>().join(" ").to_lowercase();
    text.to_lowercase().split_whitespace().all(|word| {
        let tolerated = if word.chars().count() > 4 { 2 } else { 0 };
        record.contains(word)
            || record
                .split(' ')
                .any(|candidate| distance(word, candidate) <= tolerated)
    })
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        let mut next = vec![before];
        for (right, above) in b.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(left != *right);
            before = replaced.min(before + 1).min(above + 1);
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a
            .as_f64()
            .partial_cmp(&b.as_f64())
            .unwrap_or(Ordering::Equal),
        (Some(Value::String(a)), Some(Value::String(b))) => a.to_lowercase().cmp(&b.to_lowercase()),
        (Some(Value::Bool(a)), Some(Value::Bool(b))) => a.cmp(b),
        // Null sorts first, as in the tenant's database.
        (a, b) => a
            .is_some_and(|a| !a.is_null())
            .cmp(&b.is_some_and(|b| !b.is_null())),
    }
}

#[cfg(test)]
mod tests {
    use super::{distance, like};

    #[test]
    fn like_is_sql_like() {
        for (pattern, text, matches) in [
            ("%ada@x.io%", "nada@x.io.au", true),
            ("a_a@x.io", "ADA@x.io", true),
            ("%", "", true),
            ("a%c", "abcbd", false),
            ("a%c", "abcbc", true),
            ("", "a", false),
        ] {
            assert_eq!(like(pattern, text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn distance_counts_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("ada", "ada", 0),
            ("lovelace", "lovlace", 1),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }
}
