//! Creating a sandbox, reading its requests and data, and injecting faults.

use serde_json::Value;

use super::builder::SandboxBuilder;
use super::call::text;
use super::capture::CapturedRequest;
use super::fault::Fault;
use super::profile::Profile;
use super::service::Sandbox;

/// A profile of the tenant, with every name that a token can be minted for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Customer {
    /// The profile's id.
    pub id: String,
    /// First and last name.
    pub name: String,
    /// The address as stored.
    pub email: Option<String>,
    /// The number, in E.164.
    pub mobile_phone: Option<String>,
    /// The identifiers of this profile in other systems.
    pub identities: Vec<Identity>,
}

/// The identifier of a profile in another system.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Identity {
    /// The system, `shopify` for instance.
    pub handle: String,
    /// The identifier in that system.
    pub identifier: String,
}

impl Sandbox {
    /// A tenant with the seed's data at `/api/v3`, loose filters and a running clock.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Configures a tenant.
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::new()
    }

    /// The API token with every scope.
    pub fn api_token(&self) -> &str {
        &self.shared.api_token
    }

    /// The base path of the API, without a trailing slash.
    pub fn base_path(&self) -> &str {
        &self.shared.base_path
    }

    /// The last requests, oldest first, up to a fixed number. A request is recorded when it has
    /// arrived completely, independent of its response.
    pub fn requests(&self) -> Vec<CapturedRequest> {
        self.shared.captured().to_vec()
    }

    /// As [`Sandbox::requests`], and clears the record.
    pub fn take_requests(&self) -> Vec<CapturedRequest> {
        self.shared.captured().take()
    }

    /// The number of requests in flight: from the call until its future, or the response body, is
    /// dropped.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.count()
    }

    /// Injects a fault into the next matching request.
    pub fn inject(&self, fault: Fault) {
        self.shared.faults().push(fault);
    }

    /// Removes all faults that have not been used.
    pub fn clear_faults(&self) {
        self.shared.faults().clear();
    }

    /// The current JSON form of a profile.
    pub fn profile(&self, id: &str) -> Option<Value> {
        self.shared.store().profile(id).map(Profile::show)
    }

    /// The current JSON form of all profiles.
    pub fn profiles(&self) -> Vec<Value> {
        self.shared
            .store()
            .profiles
            .iter()
            .map(Profile::show)
            .collect()
    }

    /// The records of a profile below a path, `lists` or `transactions/claims`; empty if there are
    /// none.
    pub fn collection(&self, id: &str, path: &str) -> Vec<Value> {
        self.shared
            .store()
            .profile(id)
            .map(|profile| profile.list(path).to_vec())
            .unwrap_or_default()
    }

    /// All profiles, with their names.
    pub fn customers(&self) -> Vec<Customer> {
        self.shared.store().profiles.iter().map(customer).collect()
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

fn customer(profile: &Profile) -> Customer {
    let identity = |identity: &Value| {
        let member = |name| identity.get(name).and_then(text);
        Some(Identity {
            handle: member("handle")?,
            identifier: member("identifier")?,
        })
    };
    Customer {
        id: profile.id.clone(),
        name: profile.full_name(),
        email: profile.field("email").map(str::to_owned),
        mobile_phone: profile.field("mobile_phone").map(str::to_owned),
        identities: profile
            .list("identities")
            .iter()
            .filter_map(identity)
            .collect(),
    }
}
