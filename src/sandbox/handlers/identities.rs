//! Identities: identifiers of a profile in other systems. A handle and an identifier name at most
//! one profile.

use serde_json::Value;

use super::items;
use crate::sandbox::call::{Call, text};
use crate::sandbox::find;
use crate::sandbox::page::Page;
use crate::sandbox::response::{Outcome, SandboxResponse};
use crate::sandbox::store::Store;
use crate::sandbox::validate::invalid;

/// `GET /identities`: the identities of all profiles; `include=profile` adds the profile.
pub(crate) fn index(store: &mut Store, call: &Call) -> Outcome {
    let include = call
        .query
        .get("include")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let with_profile = include.split(',').any(|name| name == "profile");
    let mut all = Vec::new();
    for profile in &store.profiles {
        for identity in profile.list("identities") {
            let mut identity = identity.clone();
            if let (true, Value::Object(fields)) = (with_profile, &mut identity) {
                fields.insert("profile".to_owned(), profile.show());
            }
            all.push(identity);
        }
    }
    Ok(Page::from_query(call, find::select(call, store.matching, all)).resource())
}

pub(crate) fn show(store: &mut Store, call: &Call) -> Outcome {
    let profile = store.named_profile(call)?;
    let matched = profile
        .list("identities")
        .iter()
        .find(|identity| items::is_named(identity, call.param(1)));
    matched
        .map(|identity| SandboxResponse::data(identity.clone()))
        .ok_or_else(|| SandboxResponse::no_record("Identity"))
}

pub(crate) fn create(store: &mut Store, call: &Call) -> Outcome {
    if let (Some(handle), Some(identifier)) = (call.text("handle"), call.text("identifier")) {
        require_unused(store, &handle, &identifier)?;
    }
    items::create(store, call)
}

pub(crate) fn update(store: &mut Store, call: &Call) -> Outcome {
    let mut items = store.named_profile(call)?.list("identities").iter();
    let current = items
        .find(|identity| items::is_named(identity, call.param(1)))
        .cloned();
    let current = current.ok_or_else(|| SandboxResponse::no_record("Identity"))?;
    let member = |name: &str| call.text(name).or_else(|| current.get(name).and_then(text));
    let (handle, identifier) = (member("handle"), member("identifier"));
    let changed = handle != current.get("handle").and_then(text)
        || identifier != current.get("identifier").and_then(text);
    if let (true, Some(handle), Some(identifier)) = (changed, handle, identifier) {
        require_unused(store, &handle, &identifier)?;
    }
    let now = store.clock.timestamp();
    let items = store
        .named_profile_mut(call)?
        .collections
        .entry("identities")
        .or_default();
    let matched = items
        .iter_mut()
        .find(|identity| items::is_named(identity, call.param(1)));
    let identity = matched.ok_or_else(|| SandboxResponse::no_record("Identity"))?;
    items::change(identity, &call.input, &now);
    Ok(SandboxResponse::data(identity.clone()))
}

pub(crate) fn remove(store: &mut Store, call: &Call) -> Outcome {
    let items = store
        .named_profile_mut(call)?
        .collections
        .entry("identities")
        .or_default();
    let position = items
        .iter()
        .position(|identity| items::is_named(identity, call.param(1)));
    items.remove(position.ok_or_else(|| SandboxResponse::no_record("Identity"))?);
    Ok(SandboxResponse::no_content())
}

fn require_unused(store: &Store, handle: &str, identifier: &str) -> Result<(), SandboxResponse> {
    match store.by_identity(handle, identifier) {
        Some(_) => Err(invalid(
            "identifier",
            "The identifier has already been taken.",
        )),
        None => Ok(()),
    }
}
