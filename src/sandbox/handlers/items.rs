//! Lists below a profile and their items, for every row of the resource table.

use serde_json::{Map, Value, json};

use crate::sandbox::call::{Call, text};
use crate::sandbox::find;
use crate::sandbox::page::Page;
use crate::sandbox::resources::{Access, Collection, Listing, Removal};
use crate::sandbox::response::{Outcome, SandboxResponse};
use crate::sandbox::store::{Context, Store};
use crate::sandbox::validate::Errors;

/// Members that no caller sets.
const READ_ONLY: [&str; 7] = [
    "id",
    "profile_id",
    "created_at",
    "updated_at",
    "_method",
    "identity",
    "include",
];

pub(crate) fn index(store: &mut Store, call: &Call) -> Outcome {
    let context = store.context("");
    let (collection, _, items) = open(store, call)?;
    let items = find::select(call, context.matching, items.clone());
    Ok(match collection.listing {
        Listing::Paged => Page::from_query(call, items).resource(),
        Listing::Plain => SandboxResponse::data(items),
        Listing::Bare => Page::from_query(call, items).bare(),
    })
}

pub(crate) fn show(store: &mut Store, call: &Call) -> Outcome {
    let (collection, key, items) = open(store, call)?;
    let matched = items.iter().find(|item| is_named(item, key));
    matched
        .map(|item| SandboxResponse::data(item.clone()))
        .ok_or_else(|| not_found(collection))
}

pub(crate) fn create(store: &mut Store, call: &Call) -> Outcome {
    let owner = store.named_id(call)?;
    let context = store.context(&owner);
    let (collection, _, items) = open(store, call)?;
    let mut errors = Errors::default();
    errors.require(&call.input, collection.required);
    errors.check()?;
    let item = new_item(collection, &call.input, &context);
    items.push(item.clone());
    Ok(SandboxResponse::created(
        item,
        &format!("{}/{}", call.url.trim_end_matches('/'), context.number),
    ))
}

pub(crate) fn update(store: &mut Store, call: &Call) -> Outcome {
    let owner = store.named_id(call)?;
    let context = store.context(&owner);
    let (collection, key, items) = open(store, call)?;
    if let Some(item) = items.iter_mut().find(|item| is_named(item, key)) {
        change(item, &call.input, &context.now);
        return Ok(SandboxResponse::data(item.clone()));
    }
    let named = key
        .split_once(':')
        .filter(|_| collection.access == Access::Upsert);
    let (namespace, handle) = named.ok_or_else(|| not_found(collection))?;
    let mut input = call.input.clone();
    input.insert("namespace".to_owned(), json!(namespace));
    input.insert("handle".to_owned(), json!(handle));
    let mut errors = Errors::default();
    errors.require(&input, collection.required);
    errors.check()?;
    let item = new_item(collection, &input, &context);
    items.push(item.clone());
    Ok(SandboxResponse::data(item))
}

pub(crate) fn remove(store: &mut Store, call: &Call) -> Outcome {
    let (collection, key, items) = open(store, call)?;
    let position = items.iter().position(|item| is_named(item, key));
    items.remove(position.ok_or_else(|| not_found(collection))?);
    Ok(match collection.removal {
        Removal::NoContent => SandboxResponse::no_content(),
        Removal::Remaining => SandboxResponse::data(items.clone()),
    })
}

/// The list that the call's path names, and the name of the item in it.
fn open<'s>(
    store: &'s mut Store,
    call: &'s Call,
) -> Result<(&'static Collection, &'s str, &'s mut Vec<Value>), SandboxResponse> {
    let sub_resource = call
        .sub_resource
        .as_ref()
        .ok_or_else(|| SandboxResponse::no_route(&call.path))?;
    let profile = store.named_profile_mut(call)?;
    let items = profile
        .collections
        .entry(sub_resource.collection.path)
        .or_default();
    let key = sub_resource.key.as_deref().unwrap_or_default();
    let Some((child, inner_key)) = &sub_resource.child else {
        return Ok((sub_resource.collection, key, items));
    };
    let item = items
        .iter_mut()
        .find(|item| is_named(item, key))
        .and_then(Value::as_object_mut);
    let item = item.ok_or_else(|| not_found(sub_resource.collection))?;
    match item.entry(child.path).or_insert_with(|| json!([])) {
        Value::Array(inner) => Ok((child, inner_key.as_deref().unwrap_or_default(), inner)),
        _ => Err(not_found(child)),
    }
}

/// Whether a path segment names this item: by number, by handle, or as `namespace:handle`.
pub(crate) fn is_named(item: &Value, key: &str) -> bool {
    let member = |name: &str| item.get(name).and_then(text);
    let handle = member("handle");
    member("id").as_deref() == Some(key)
        || handle.as_deref() == Some(key)
        || key.split_once(':').is_some_and(|(namespace, name)| {
            member("namespace").as_deref() == Some(namespace) && handle.as_deref() == Some(name)
        })
}

pub(crate) fn new_item(
    collection: &Collection,
    input: &Map<String, Value>,
    context: &Context,
) -> Value {
    let mut item = settable(input);
    if collection.path == "lists" {
        let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
        let handle = name.to_lowercase().replace(' ', "-");
        item.entry("handle").or_insert(json!(handle));
    }
    for child in collection.children {
        item.entry(child.path).or_insert_with(|| json!([]));
    }
    match collection.path {
        "rewards" | "benefits" => {
            let value = item.get("value").cloned().unwrap_or(json!(0));
            item.insert("value_remaining".to_owned(), value);
            item.entry("status").or_insert(json!("active"));
        }
        "transactions/claims" => {
            item.insert("status".to_owned(), json!("pending"));
        }
        _ => {}
    }
    item.insert("id".to_owned(), json!(context.number));
    item.insert("profile_id".to_owned(), json!(context.owner));
    item.insert("created_at".to_owned(), json!(context.now));
    item.insert("updated_at".to_owned(), json!(context.now));
    Value::Object(item)
}

pub(crate) fn change(item: &mut Value, input: &Map<String, Value>, now: &str) {
    if let Value::Object(fields) = item {
        fields.extend(settable(input));
        fields.insert("updated_at".to_owned(), json!(now));
    }
}

fn settable(input: &Map<String, Value>) -> Map<String, Value> {
    let settable = input
        .iter()
        .filter(|(name, _)| !READ_ONLY.contains(&name.as_str()));
    settable
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn not_found(collection: &Collection) -> SandboxResponse {
    let mut model = String::new();
    for word in collection.path.split(['/', '_', '-']) {
        let mut letters = word.chars();
        model.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        model.push_str(letters.as_str());
    }
    SandboxResponse::no_record(&model)
}
