//! Making a sandbox, asking what it has seen and what it holds, and breaking it.

use serde_json::Value;

use super::builder::SandboxBuilder;
use super::call::text;
use super::capture::CapturedRequest;
use super::fault::Fault;
use super::profile::Profile;
use super::service::Sandbox;

/// A person of the tenant, with all names that a token can be asked for.
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
    /// What other systems call this person.
    pub identities: Vec<Identity>,
}

/// What another system calls a person.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Identity {
    /// Which system, `shopify` for instance.
    pub handle: String,
    /// The name there.
    pub identifier: String,
}

impl Sandbox {
    /// A tenant with the seed's data at `/api/v3`, with loose filters and a running clock.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A tenant to be configured first.
    pub fn builder() -> SandboxBuilder {
        SandboxBuilder::new()
    }

    /// The token that opens everything.
    pub fn api_token(&self) -> &str {
        &self.shared.api_token
    }

    /// The path that the API lies below, without a slash at its end.
    pub fn base_path(&self) -> &str {
        &self.shared.base_path
    }

    /// The last requests, oldest first; of very many, the oldest are forgotten. A request counts as soon as it has
    /// arrived completely, whatever its answer.
    pub fn requests(&self) -> Vec<CapturedRequest> {
        self.shared.captured().to_vec()
    }

    /// As [`Sandbox::requests`], and forgets them.
    pub fn take_requests(&self) -> Vec<CapturedRequest> {
        self.shared.captured().take()
    }

    /// How many requests somebody still waits for: from the call until its future, or the answer's body, is dropped.
    pub fn in_flight(&self) -> usize {
        self.shared.flights.count()
    }

    /// Lets something go wrong with the next matching request.
    pub fn inject(&self, fault: Fault) {
        self.shared.faults().push(fault);
    }

    /// Takes back all faults that have not struck.
    pub fn clear_faults(&self) {
        self.shared.faults().clear();
    }

    /// A profile as it is stored now, in the form in which the tenant shows it.
    pub fn profile(&self, id: &str) -> Option<Value> {
        self.shared.store().profile(id).map(Profile::show)
    }

    /// All profiles as they are stored now.
    pub fn profiles(&self) -> Vec<Value> {
        self.shared
            .store()
            .profiles
            .iter()
            .map(Profile::show)
            .collect()
    }

    /// What a profile holds under a path below it, `lists` or `transactions/claims`; empty if there is nothing.
    pub fn collection(&self, id: &str, path: &str) -> Vec<Value> {
        self.shared
            .store()
            .profile(id)
            .map(|profile| profile.list(path).to_vec())
            .unwrap_or_default()
    }

    /// Who there is.
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
