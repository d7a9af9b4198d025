//! The attributes of a profile that are one record each: comms, appearance and dates.

use serde_json::{Map, Value, json};

use super::items;
use crate::sandbox::call::{Call, text};
use crate::sandbox::comms;
use crate::sandbox::response::{Outcome, SandboxResponse};
use crate::sandbox::store::{Store, object};
use crate::sandbox::validate::{self, Errors};

pub(crate) fn all(store: &mut Store, call: &Call) -> Outcome {
    Ok(SandboxResponse::data(
        store.named_profile(call)?.attributes(),
    ))
}

pub(crate) fn comms(store: &mut Store, call: &Call) -> Outcome {
    Ok(SandboxResponse::data(
        store.named_profile(call)?.comms.clone(),
    ))
}

pub(crate) fn put_comms(store: &mut Store, call: &Call) -> Outcome {
    Ok(SandboxResponse::data(change_comms(store, call)?))
}

pub(crate) fn comms_list(store: &mut Store, call: &Call) -> Outcome {
    Ok(SandboxResponse::data(json!([store
        .named_profile(call)?
        .comms])))
}

pub(crate) fn put_comms_list(store: &mut Store, call: &Call) -> Outcome {
    Ok(SandboxResponse::data(json!([change_comms(store, call)?])))
}

fn change_comms(store: &mut Store, call: &Call) -> Result<Map<String, Value>, SandboxResponse> {
    let mut errors = Errors::default();
    validate::check_comms(&mut errors, "", &call.input);
    let now = store.clock.timestamp();
    let profile = store.named_profile_mut(call)?;
    errors.check()?;
    comms::apply(&mut profile.comms, &call.input, &now);
    Ok(profile.comms.clone())
}

pub(crate) fn appearance(store: &mut Store, call: &Call) -> Outcome {
    Ok(SandboxResponse::data(
        store.named_profile(call)?.appearance.clone(),
    ))
}

pub(crate) fn put_appearance(store: &mut Store, call: &Call) -> Outcome {
    let profile = store.named_profile_mut(call)?;
    let body = object(Some(&call.body));
    profile
        .appearance
        .extend(body.into_iter().filter(|(name, _)| name != "_method"));
    Ok(SandboxResponse::data(profile.appearance.clone()))
}

/// `PUT …/attributes/dates`: one date, a list of them, or a list under `dates`; known names are
/// changed, others added.
pub(crate) fn put_dates(store: &mut Store, call: &Call) -> Outcome {
    let owner = store.named_id(call)?;
    let given = call.body.get("dates").unwrap_or(&call.body);
    let dates = match given {
        Value::Array(dates) => dates.clone(),
        other => vec![other.clone()],
    };
    let sub_resource = call
        .sub_resource
        .as_ref()
        .ok_or_else(|| SandboxResponse::no_route(&call.path))?;
    for date in dates {
        let date = object(Some(&date));
        let mut errors = Errors::default();
        errors.require(&date, sub_resource.collection.required);
        errors.check()?;
        let context = store.context(&owner);
        let items = store
            .named_profile_mut(call)?
            .collections
            .entry(sub_resource.collection.path)
            .or_default();
        let name = date.get("name").and_then(text);
        match items
            .iter_mut()
            .find(|item| item.get("name").and_then(text) == name)
        {
            Some(item) => items::change(item, &date, &context.now),
            None => items.push(items::new_item(sub_resource.collection, &date, &context)),
        }
    }
    items::index(store, call)
}
