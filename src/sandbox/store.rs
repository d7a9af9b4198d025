//! The tenant's data.

use serde_json::{Map, Value};

use super::call::Call;
use super::clock::Clock;
use super::matching::Matching;
use super::profile::Profile;
use super::response::SandboxResponse;

/// The state behind all handlers.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) profiles: Vec<Profile>,
    pub(crate) connections: Vec<Value>,
    pub(crate) locations: Vec<Value>,
    pub(crate) clock: Clock,
    pub(crate) matching: Matching,
    pub(crate) last_number: u64,
}

/// The context of a new or changed record.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) number: u64,
    pub(crate) owner: String,
    pub(crate) now: String,
    pub(crate) matching: Matching,
}

impl Store {
    pub(crate) fn new(clock: Clock, matching: Matching) -> Self {
        let (profiles, connections, locations) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            profiles,
            connections,
            locations,
            clock,
            matching,
            last_number: 1_000,
        }
    }

    /// The next record's number.
    pub(crate) fn number(&mut self) -> u64 {
        self.last_number = self.last_number.saturating_add(1);
        self.last_number
    }

    /// An id for a new profile: a UUID, the same in every run.
    pub(crate) fn profile_id(&mut self) -> String {
        let mut state = self.number();
        let mut mixed = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        let (high, low) = (mixed(), mixed());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        )
    }

    pub(crate) fn context(&mut self, owner: &str) -> Context {
        Context {
            number: self.number(),
            owner: owner.to_owned(),
            now: self.clock.timestamp(),
            matching: self.matching,
        }
    }

    pub(crate) fn profile(&self, id: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.id == id)
    }

    /// The profile that has this identity.
    pub(crate) fn by_identity(&self, handle: &str, identifier: &str) -> Option<&Profile> {
        let named_profile = |identity: &Value, field: &str, value: &str| {
            identity.get(field).and_then(Value::as_str) == Some(value)
        };
        self.profiles.iter().find(|profile| {
            let mut identities = profile.list("identities").iter();
            identities.any(|identity| {
                named_profile(identity, "handle", handle)
                    && named_profile(identity, "identifier", identifier)
            })
        })
    }

    /// The id of the profile that the call's path names: by the query's `identity[handle]` if
    /// present.
    pub(crate) fn named_id(&self, call: &Call) -> Result<String, SandboxResponse> {
        let name = call.param(0);
        let handle = call
            .query
            .get("identity")
            .and_then(|identity| identity.get("handle"));
        let found = match handle.and_then(Value::as_str) {
            Some(handle) => self.by_identity(handle, name),
            None => self.profile(name),
        };
        found
            .map(|profile| profile.id.clone())
            .ok_or_else(|| SandboxResponse::no_record("Profile"))
    }

    /// The profile that the call's path names.
    pub(crate) fn named_profile(&self, call: &Call) -> Result<&Profile, SandboxResponse> {
        let id = self.named_id(call)?;
        self.profile(&id)
            .ok_or_else(|| SandboxResponse::no_record("Profile"))
    }

    /// The profile that the call's path names, for changes.
    pub(crate) fn named_profile_mut(
        &mut self,
        call: &Call,
    ) -> Result<&mut Profile, SandboxResponse> {
        let id = self.named_id(call)?;
        let found = self.profiles.iter_mut().find(|profile| profile.id == id);
        found.ok_or_else(|| SandboxResponse::no_record("Profile"))
    }

    /// Whether another profile than this one has that value, ignoring case.
    pub(crate) fn is_taken(&self, field: &str, value: &str, except: Option<&str>) -> bool {
        self.owner_of(field, value)
            .is_some_and(|profile| Some(profile.id.as_str()) != except)
    }

    /// The profile that has that value, ignoring case.
    pub(crate) fn owner_of(&self, field: &str, value: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| {
            profile
                .field(field)
                .is_some_and(|stored| stored.to_lowercase() == value.to_lowercase())
        })
    }
}

/// An object's member, or an empty object.
pub(crate) fn object(value: Option<&Value>) -> Map<String, Value> {
    value
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}
