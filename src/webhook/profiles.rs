//! The deleted or merged profiles that an event names.

use serde_json::Value;

use crate::identity::ProfileId;

/// Members of a body that may contain the profile of an event.
const PROFILE: [&str; 2] = ["data", "profile"];
/// Members that are a profile id.
const ID: [&str; 2] = ["id", "profile_id"];
/// Members that name the profile that a merge removes, and the one that it keeps.
const LOSER: [&str; 8] = [
    "loser",
    "losers",
    "loser_id",
    "loser_ids",
    "loser_profile",
    "loser_profiles",
    "loser_profile_id",
    "loser_profile_ids",
];
const WINNER: [&str; 4] = ["winner", "winner_id", "winner_profile", "winner_profile_id"];

/// The profile of a `profile.deleted`: every UUID in `id` or `profile_id`, of the body, `data`,
/// `profile` or `data.profile`. One of them may be the id of the event or of the webhook, which is
/// an id of no profile, so that no token has it.
pub(super) fn deleted_profiles(body: &Value) -> Vec<ProfileId> {
    let mut ids = Vec::new();
    collect_ids(body, &mut ids);
    for outer in PROFILE.iter().filter_map(|name| body.get(name)) {
        collect_ids(outer, &mut ids);
        if let Some(inner) = outer.get("profile") {
            collect_ids(inner, &mut ids);
        }
    }
    ids
}

/// The profiles that a `profile.merged` names as the losers, in the body or in `data`. An `id`
/// alone may be the winner's, so it does not count. An id that the body also names as the winner's
/// does not count either.
pub(super) fn merged_profiles(body: &Value) -> Vec<ProfileId> {
    let (mut losers, mut winners) = (Vec::new(), Vec::new());
    for scope in [Some(body), body.get("data")].into_iter().flatten() {
        collect_named(scope, &LOSER, &mut losers);
        collect_named(scope, &WINNER, &mut winners);
    }
    losers.retain(|loser| !winners.contains(loser));
    losers
}

fn collect_named(scope: &Value, names: &[&str], ids: &mut Vec<ProfileId>) {
    for value in names.iter().filter_map(|name| scope.get(name)) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| collect_one(value, ids)),
            value => collect_one(value, ids),
        }
    }
}

/// The id that a value is, or those that it has.
fn collect_one(value: &Value, ids: &mut Vec<ProfileId>) {
    match value {
        Value::String(text) => ids.extend(from_uuid(text).filter(|id| !ids.contains(id))),
        value => collect_ids(value, ids),
    }
}

fn collect_ids(object: &Value, ids: &mut Vec<ProfileId>) {
    for text in ID.iter().filter_map(|name| object.get(name)?.as_str()) {
        ids.extend(from_uuid(text).filter(|id| !ids.contains(id)));
    }
}

/// The ids of profiles are UUIDs; other texts and numbers are ids of other things.
fn from_uuid(text: &str) -> Option<ProfileId> {
    let is_uuid = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    is_uuid.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    const A: &str = "3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10";
    const B: &str = "a1b2c3d4-0000-4000-8000-00000000000B";

    fn texts(ids: &[ProfileId]) -> Vec<&str> {
        ids.iter().map(ProfileId::as_str).collect()
    }

    #[test]
    fn a_deleted_profile_is_found_in_each_place() {
        for body in [
            json!({ "id": A }),
            json!({ "profile_id": A, "id": 7 }),
            json!({ "data": { "id": A } }),
            json!({ "id": "evt_1", "data": { "profile_id": A, "id": A } }),
            json!({ "profile": { "id": A } }),
            json!({ "data": { "profile": { "id": A, "email": "x" } } }),
        ] {
            assert_eq!(texts(&deleted_profiles(&body)), [A], "{body}");
        }
        let body = json!({ "id": B, "data": { "id": A } });
        assert_eq!(texts(&deleted_profiles(&body)), [B, A]);
        for body in [
            json!({ "ID": A }),
            json!({ "user_id": A, "location": { "id": A } }),
            json!({ "data": [{ "id": A }] }),
            json!({ "id": [A] }),
            json!({ "id": format!(" {A}") }),
            json!({ "id": A.replace('-', "") }),
            json!({ "id": A.replace('f', "g") }),
            json!({ "id": "me" }),
        ] {
            assert_eq!(texts(&deleted_profiles(&body)), [""; 0], "{body}");
        }
    }

    #[test]
    fn only_the_loser_of_a_merge_counts() {
        for body in [
            json!({ "loser_id": A, "id": B }),
            json!({ "loser": A, "winner": B }),
            json!({ "loser": { "id": A }, "winner": { "id": B } }),
            json!({ "data": { "loser": { "profile_id": A }, "id": B } }),
            json!({ "data": { "loser_profile_id": A, "winner_id": B } }),
            json!({ "losers": [A, { "id": A }], "winner_id": B }),
            json!({ "loser_ids": [A, B], "winner_id": B }),
        ] {
            assert_eq!(texts(&merged_profiles(&body)), [A], "{body}");
        }
        for body in [
            json!({ "id": A }),
            json!({ "data": { "id": A, "profile_id": B } }),
            json!({ "winner_id": A, "merged_id": B }),
            json!({ "loser_merged_into": A, "loser_email": A }),
            json!({ "loser": { "winner_id": A } }),
            json!({ "loser_id": A, "winner_id": A }),
            json!({ "loser_id": 7 }),
            json!({ "profile": { "loser_id": A } }),
        ] {
            assert_eq!(texts(&merged_profiles(&body)), [""; 0], "{body}");
        }
    }
}
