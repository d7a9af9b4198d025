//! Connections between two profiles.

use serde_json::{Value, json};

use super::items;
use crate::sandbox::call::Call;
use crate::sandbox::find;
use crate::sandbox::page::Page;
use crate::sandbox::records::connection;
use crate::sandbox::response::{Outcome, SandboxResponse};
use crate::sandbox::store::Store;
use crate::sandbox::validate::{Errors, invalid};

const STATUSES: [&str; 7] = [
    "draft", "pending", "accepted", "rejected", "hold", "archived", "break",
];

/// `GET /connections`: the connections of all profiles.
pub(crate) fn index(store: &mut Store, call: &Call) -> Outcome {
    Ok(Page::from_query(
        call,
        find::select(call, store.matching, store.connections.clone()),
    )
    .resource())
}

/// `GET /connections/{id}`.
pub(crate) fn show(store: &mut Store, call: &Call) -> Outcome {
    let matched = store
        .connections
        .iter()
        .find(|connection| items::is_named(connection, call.param(0)));
    matched
        .map(|connection| SandboxResponse::data(connection.clone()))
        .ok_or_else(not_found)
}

pub(crate) fn of_profile(store: &mut Store, call: &Call) -> Outcome {
    let id = store.named_id(call)?;
    let of_profile = store
        .connections
        .iter()
        .filter(|connection| other_party(connection, &id).is_some());
    Ok(Page::from_query(
        call,
        find::select(call, store.matching, of_profile.cloned().collect()),
    )
    .resource())
}

pub(crate) fn show_own(store: &mut Store, call: &Call) -> Outcome {
    Ok(SandboxResponse::data(find_own(store, call)?.clone()))
}

pub(crate) fn create(store: &mut Store, call: &Call) -> Outcome {
    let owner = store.named_id(call)?;
    let mut errors = Errors::default();
    errors.require(&call.input, &["connected_id"]);
    errors.check()?;
    let other = call.text("connected_id").unwrap_or_default();
    if other == owner || store.profile(&other).is_none() {
        return Err(invalid(
            "connected_id",
            "The selected connected id is invalid.",
        ));
    }
    let context = store.context(&owner);
    let new = connection(context.number, &owner, &other, "pending", &context.now);
    store.connections.push(new.clone());
    Ok(SandboxResponse::created(
        new,
        &format!("{}/{}", call.url.trim_end_matches('/'), context.number),
    ))
}

pub(crate) fn update(store: &mut Store, call: &Call) -> Outcome {
    if call
        .text("status")
        .is_some_and(|status| !STATUSES.contains(&status.as_str()))
    {
        return Err(invalid("status", "The selected status is invalid."));
    }
    let now = store.clock.timestamp();
    let id = store.named_id(call)?;
    let matched = store.connections.iter_mut().find(|connection| {
        items::is_named(connection, call.param(1)) && other_party(connection, &id).is_some()
    });
    let connection = matched.ok_or_else(not_found)?;
    let mut input = call.input.clone();
    input.retain(|name, _| name != "connector_id" && name != "connected_id");
    items::change(connection, &input, &now);
    Ok(SandboxResponse::data(connection.clone()))
}

pub(crate) fn remove(store: &mut Store, call: &Call) -> Outcome {
    let removed = find_own(store, call)?.clone();
    store
        .connections
        .retain(|connection| *connection != removed);
    Ok(SandboxResponse::no_content())
}

/// The other profile of a connection, as a bare object.
pub(crate) fn profile_info(store: &mut Store, call: &Call) -> Outcome {
    let id = store.named_id(call)?;
    let other = other_party(find_own(store, call)?, &id).and_then(|other| store.profile(other));
    let other = other.ok_or_else(not_found)?;
    Ok(SandboxResponse::bare(json!({
        "id": other.id,
        "first_name": other.field("first_name"),
        "last_name": other.field("last_name"),
        "full_name": other.full_name(),
    })))
}

fn find_own<'s>(store: &'s Store, call: &Call) -> Result<&'s Value, SandboxResponse> {
    let id = store.named_id(call)?;
    let matched = store.connections.iter().find(|connection| {
        items::is_named(connection, call.param(1)) && other_party(connection, &id).is_some()
    });
    matched.ok_or_else(not_found)
}

/// The other profile of the connection, if this one is a party to it.
fn other_party<'c>(connection: &'c Value, id: &str) -> Option<&'c str> {
    let side = |name: &str| connection.get(name).and_then(Value::as_str);
    match (side("connector_id")?, side("connected_id")?) {
        (connector, connected) if connector == id => Some(connected),
        (connector, connected) if connected == id => Some(connector),
        _ => None,
    }
}

fn not_found() -> SandboxResponse {
    SandboxResponse::no_record("Connection")
}
