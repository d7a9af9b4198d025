//! Profiles: search, read, create, update, delete.

use serde_json::{Map, Value, json};

use super::items;
use crate::sandbox::call::{Call, text};
use crate::sandbox::comms;
use crate::sandbox::find;
use crate::sandbox::page::Page;
use crate::sandbox::profile::Profile;
use crate::sandbox::resources;
use crate::sandbox::response::{Outcome, SandboxResponse};
use crate::sandbox::store::{Store, object};
use crate::sandbox::validate::{self, Errors};

pub(crate) fn index(store: &mut Store, call: &Call) -> Outcome {
    let shown = store.profiles.iter().map(Profile::show).collect();
    Ok(Page::from_query(call, find::select(call, store.matching, shown)).resource())
}

pub(crate) fn show(store: &mut Store, call: &Call) -> Outcome {
    Ok(SandboxResponse::data(store.named_profile(call)?.show()))
}

/// `POST /profiles/search-id`: by the profile's own id, or by an identity.
pub(crate) fn search_id(store: &mut Store, call: &Call) -> Outcome {
    let mut errors = Errors::default();
    errors.require(&call.input, &["type", "id"]);
    errors.check()?;
    let (kind, id) = (
        call.text("type").unwrap_or_default(),
        call.text("id").unwrap_or_default(),
    );
    let matched = if kind == "profile_id" {
        store.profile(&id)
    } else {
        store.by_identity(&kind, &id)
    };
    matched
        .map(|profile| SandboxResponse::data(profile.show()))
        .ok_or_else(|| SandboxResponse::no_record("Profile"))
}

/// `POST /profiles/availability`: the profile that has an address or number, if any.
pub(crate) fn availability(store: &mut Store, call: &Call) -> Outcome {
    let availabilities = ["email", "mobile_phone"].into_iter().filter_map(|field| {
        let value = call.text(field)?;
        let owner = store
            .owner_of(field, &value)
            .map(|owner| json!({ "id": owner.id, "full_name": owner.full_name() }));
        Some((
            field.to_owned(),
            json!({ "available": owner.is_none(), "profile": owner }),
        ))
    });
    let data: Map<String, Value> = availabilities.collect();
    if data.is_empty() {
        return Err(validate::invalid(
            "email",
            "The email field is required when mobile phone is not present.",
        ));
    }
    Ok(SandboxResponse::data(data))
}

pub(crate) fn create(store: &mut Store, call: &Call) -> Outcome {
    validate::profile(store, &call.input, None)?;
    let id = store.profile_id();
    let now = store.clock.timestamp();
    let mut profile = Profile::new(id, &now);
    profile.apply_fields(&without_null_names(&call.input), &now);
    apply_related(store, &mut profile, &call.input, &now);
    let shown = profile.show();
    let location = format!("{}/profiles/{}", call.root, profile.id);
    store.profiles.push(profile);
    Ok(SandboxResponse::created(shown, &location))
}

pub(crate) fn update(store: &mut Store, call: &Call) -> Outcome {
    let existing = store.named_profile(call)?;
    validate::profile(store, &call.input, Some(existing))?;
    let mut profile = existing.clone();
    let now = store.clock.timestamp();
    profile.apply_fields(&call.input, &now);
    apply_related(store, &mut profile, &call.input, &now);
    let shown = profile.show();
    *store.named_profile_mut(call)? = profile;
    Ok(SandboxResponse::data(shown))
}

pub(crate) fn update_type(store: &mut Store, call: &Call) -> Outcome {
    let wanted = call.text("profile_type");
    if !wanted.is_some_and(|wanted| validate::PROFILE_TYPES.contains(&wanted.as_str())) {
        return Err(validate::invalid(
            "profile_type",
            "The selected profile type is invalid.",
        ));
    }
    let now = store.clock.timestamp();
    let profile = store.named_profile_mut(call)?;
    let kind = call
        .input
        .iter()
        .filter(|(name, _)| *name == "profile_type");
    profile.apply_fields(
        &kind
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        &now,
    );
    Ok(SandboxResponse::data(profile.show()))
}

/// `DELETE` and purge both remove every record of the profile.
pub(crate) fn remove(store: &mut Store, call: &Call) -> Outcome {
    let id = store.named_id(call)?;
    store.profiles.retain(|profile| profile.id != id);
    let party =
        |connection: &Value, side: &str| connection.get(side).and_then(Value::as_str) == Some(&id);
    store.connections.retain(|connection| {
        !party(connection, "connector_id") && !party(connection, "connected_id")
    });
    Ok(SandboxResponse::no_content())
}

/// Sets the records that belong to a profile and are not fields of it.
fn apply_related(store: &mut Store, profile: &mut Profile, input: &Map<String, Value>, now: &str) {
    let attributes = object(input.get("attributes"));
    if let Some(Value::Object(changes)) = attributes.get("comms") {
        comms::apply(&mut profile.comms, changes, now);
    }
    profile
        .appearance
        .extend(object(attributes.get("appearance")));
    for (member, path) in [
        ("addresses", "addresses"),
        ("identities", "identities"),
        ("dates_attributes", "attributes/dates"),
    ] {
        let Some(sub_resource) = resources::sub_resource(&path.split('/').collect::<Vec<_>>())
        else {
            continue;
        };
        for new in input
            .get(member)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let context = store.context(&profile.id);
            let items = profile
                .collections
                .entry(sub_resource.collection.path)
                .or_default();
            let named = ["id", "handle", "name"]
                .into_iter()
                .find_map(|key| Some((key, new.get(key).and_then(text)?)));
            let same = named.and_then(|(key, name)| {
                items
                    .iter_mut()
                    .find(|item| item.get(key).and_then(text).as_ref() == Some(&name))
            });
            match same {
                Some(item) => items::change(item, &object(Some(new)), now),
                None => items.push(items::new_item(
                    sub_resource.collection,
                    &object(Some(new)),
                    &context,
                )),
            }
        }
    }
}

/// Null or missing names keep the defaults of a new profile.
fn without_null_names(input: &Map<String, Value>) -> Map<String, Value> {
    let mut input = input.clone();
    for name in [
        "first_name",
        "last_name",
        "currency",
        "profile_type",
        "tags",
        "joined_at",
    ] {
        if input.get(name).is_some_and(Value::is_null) {
            input.remove(name);
        }
    }
    input
}
