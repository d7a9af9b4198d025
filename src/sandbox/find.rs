//! Filters, search and sorting of lists, as lenient as a real tenant.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::call::Call;
use super::matching::Matching;

/// The fields that `search` reads.
const SEARCHED: [&str; 4] = ["email", "first_name", "last_name", "mobile_phone"];

/// Applies `filter[…]`, `search` and `sort` of the query.
pub(crate) fn select(call: &Call, matching: Matching, mut items: Vec<Value>) -> Vec<Value> {
    if let Some(Value::Object(filters)) = call.query.get("filter") {
        items.retain(|item| passes(item, filters, matching));
    }
    if let Some(text) = call.query.get("search").and_then(Value::as_str) {
        items.retain(|item| mentions(item, text));
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
fn passes(item: &Value, filters: &Map<String, Value>, matching: Matching) -> bool {
    let default = match matching {
        Matching::Loose => "like",
        Matching::Exact => "eq",
    };
    filters.iter().all(|(field, condition)| {
        let Some(found) = item.get(field) else {
            return true;
        };
        match condition {
            Value::String(wanted) => holds(found, default, wanted.trim()),
            Value::Object(operators) => operators.iter().all(|(operator, wanted)| {
                let wanted = wanted.as_str().unwrap_or_default();
                holds(found, operator, wanted.trim())
            }),
            _ => true,
        }
    })
}

fn holds(found: &Value, operator: &str, wanted: &str) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let shown = match found {
        Value::Null => return operator == "neq",
        Value::Bool(true) => "1".to_owned(),
        Value::Bool(false) => "0".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let wanted = match (found, wanted) {
        (Value::Bool(_), "true") => "1",
        (Value::Bool(_), "false") => "0",
        _ => wanted,
    };
    let equal = |wanted: &str| shown.to_lowercase() == wanted.to_lowercase();
    let order = || match (shown.parse::<f64>(), wanted.parse::<f64>()) {
        (Ok(shown), Ok(wanted)) => shown.partial_cmp(&wanted),
        _ => Some(shown.as_str().cmp(wanted)),
    };
    match operator {
        "like" if found.is_string() => like(&format!("%{wanted}%"), &shown),
        "neq" => !equal(wanted),
        "in" => wanted.split(',').any(equal),
        "gt" => order() == Some(Ordering::Greater),
        "gte" => order().is_some_and(Ordering::is_ge),
        "lt" => order() == Some(Ordering::Less),
        "lte" => order().is_some_and(Ordering::is_le),
        _ => equal(wanted),
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
            Some(wanted) if *wanted == '_' || text.get(t) == Some(wanted) => {
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
fn mentions(item: &Value, text: &str) -> bool {
    let record = SEARCHED
        .iter()
        .filter_map(|field| item.get(*field).and_then(Value::as_str));
    let record = record.collect::<Vec<_>>().join(" ").to_lowercase();
    text.to_lowercase().split_whitespace().all(|word| {
        let tolerated = if word.chars().count() > 4 { 2 } else { 0 };
        record.contains(word)
            || record
                .split(' ')
                .any(|known| distance(word, known) <= tolerated)
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
        for (pattern, text, fits) in [
            ("%ada@x.io%", "nada@x.io.au", true),
            ("a_a@x.io", "ADA@x.io", true),
            ("%", "", true),
            ("a%c", "abcbd", false),
            ("a%c", "abcbc", true),
            ("", "a", false),
        ] {
            assert_eq!(like(pattern, text), fits, "{pattern} {text}");
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
