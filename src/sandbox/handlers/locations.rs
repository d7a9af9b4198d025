//! Locations: the tenant's stores.

use serde_json::{Value, json};

use crate::sandbox::call::{Call, text};
use crate::sandbox::find;
use crate::sandbox::page::Page;
use crate::sandbox::response::{Outcome, SandboxResponse};
use crate::sandbox::store::Store;

pub(crate) fn index(store: &mut Store, call: &Call) -> Outcome {
    Ok(Page::from_query(
        call,
        find::select(call, store.matching, store.locations.clone()),
    )
    .resource())
}

pub(crate) fn show(store: &mut Store, call: &Call) -> Outcome {
    Ok(SandboxResponse::data(by(store, "id", call)?.clone()))
}

/// `GET /locations/{id type}/{id}`: by `external_id`, `external_code` or `handle`.
pub(crate) fn show_by(store: &mut Store, call: &Call) -> Outcome {
    Ok(SandboxResponse::data(
        by(store, call.param(1), call)?.clone(),
    ))
}

pub(crate) fn custom_fields(store: &mut Store, call: &Call) -> Outcome {
    let fields = by(store, "id", call)?.get("custom_fields").cloned();
    Ok(SandboxResponse::data(fields.unwrap_or_else(|| json!([]))))
}

fn by<'s>(store: &'s Store, field: &str, call: &Call) -> Result<&'s Value, SandboxResponse> {
    let names =
        |location: &&Value| location.get(field).and_then(text).as_deref() == Some(call.param(0));
    store
        .locations
        .iter()
        .find(names)
        .ok_or_else(|| SandboxResponse::no_record("Location"))
}
