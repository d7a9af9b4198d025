//! The stored form of records that the seed and the handlers both create.

use serde_json::{Value, json};

/// A new identity of a profile.
pub(crate) fn identity(
    number: u64,
    owner: &str,
    handle: &str,
    identifier: &str,
    now: &str,
) -> Value {
    json!({
        "id": number,
        "handle": handle,
        "identifier": identifier,
        "is_primary": false,
        "is_active": true,
        "profile_id": owner,
        "created_at": now,
        "updated_at": now,
    })
}

/// A new connection between two profiles.
pub(crate) fn connection(
    number: u64,
    connector: &str,
    connected: &str,
    status: &str,
    now: &str,
) -> Value {
    json!({
        "id": number,
        "connector_id": connector,
        "connected_id": connected,
        "status": status,
        "definition": {
            "handle": "household", "shareable_attributes": ["first_name", "last_name"],
        },
        "created_at": now,
        "updated_at": now,
    })
}
