use bytes::Bytes;
use http::{Method, StatusCode};

use super::decide::Decision;
use super::find_profile::{find_address_owner, find_profile};
use super::in_flight::SignUpGuard;
use super::lookup::MAX_PAGES;
use super::outcome::UpsertOutcome;
use super::policy::CommsPolicy;
use super::sign_up::SignUp;
use super::tenant_client::{TenantClient, TenantService, UpsertError};
use super::tenant_errors::ValidationErrors;
use crate::identity::ProfileId;
use crate::rejection::Rejection;

/// Looks up the person, then updates the profile or creates one.
///
/// Three events between look-up and write repeat the look-up, each at most once: another sign-up of
/// this process creates the profile, another process creates it (the tenant rejects the address as
/// taken), or the profile is deleted (404). Writing the same payload again has no further effect.
///
/// Only creations wait for each other, and each waits at most once. The sign-up of a known person
/// never waits, so its duration does not depend on the number of sign-ups of its address.
pub(super) async fn upsert<S: TenantService<B>, B>(
    tenant: &mut TenantClient<S, B>,
    policy: &CommsPolicy,
    sign_up: &SignUp,
    in_flight: &SignUpGuard,
) -> Result<UpsertOutcome, UpsertError<S::Error>> {
    let mut address_taken = None;
    let mut was_deleted = false;
    let mut has_waited = false;
    let mut pages = MAX_PAGES;
    loop {
        let creations_ended = in_flight.creations_ended();
        let mut profile = find_profile(tenant, sign_up, pages).await?;
        if let Some(rejection) = address_taken.take()
            && profile.is_none()
        {
            profile = find_address_owner(tenant, sign_up).await?;
            if profile.is_none() {
                return Err(UpsertError::Revealing(rejection));
            }
        }
        match policy.decide(sign_up, profile) {
            Decision::Nothing => return Ok(UpsertOutcome::Unchanged),
            Decision::Update { profile, body } => match update(tenant, &profile, body).await? {
                Write::Stored => return Ok(UpsertOutcome::Updated),
                Write::Conflict(_) if !was_deleted => was_deleted = true,
                Write::Conflict(rejection) => return Err(UpsertError::Revealing(rejection)),
            },
            Decision::Create { body } => {
                let creation = in_flight.begin_creation(creations_ended);
                if creation.is_none() && !has_waited {
                    has_waited = true;
                    in_flight.wait_for_creation(creations_ended, policy).await?;
                    continue;
                }
                match create(tenant, body).await? {
                    Write::Stored => return Ok(UpsertOutcome::Created),
                    Write::Conflict(rejection) => address_taken = Some(rejection),
                }
            }
        }
        pages = 1;
    }
}

/// The result of a write that is not an error.
enum Write {
    Stored,
    /// The look-up is outdated: its profile was deleted, or a profile has the address now.
    Conflict(Rejection),
}

async fn update<S: TenantService<B>, B>(
    tenant: &mut TenantClient<S, B>,
    profile: &ProfileId,
    body: Bytes,
) -> Result<Write, UpsertError<S::Error>> {
    let path = ["/profiles/", profile.as_str(), "/attributes/comms"].concat();
    let response = tenant.write(Method::PUT, path, body).await?;
    match response.status {
        _ if response.is_stored() => Ok(Write::Stored),
        StatusCode::NOT_FOUND => Ok(Write::Conflict(response.unexpected_status())),
        StatusCode::UNPROCESSABLE_ENTITY => {
            let errors = ValidationErrors::parse(&response.body, "attributes.comms.");
            Err(UpsertError::Revealing(errors.rejection))
        }
        _ => Err(response.unexpected_status().into()),
    }
}

async fn create<S: TenantService<B>, B>(
    tenant: &mut TenantClient<S, B>,
    body: Bytes,
) -> Result<Write, UpsertError<S::Error>> {
    let path = "/profiles".to_owned();
    let response = tenant.write(Method::POST, path, body).await?;
    match response.status {
        _ if response.is_stored() => Ok(Write::Stored),
        StatusCode::UNPROCESSABLE_ENTITY => {
            let errors = ValidationErrors::parse(&response.body, "");
            match errors.is_about_the_address {
                true => Ok(Write::Conflict(errors.rejection)),
                false => Err(UpsertError::Revealing(errors.rejection)),
            }
        }
        _ => Err(response.unexpected_status().into()),
    }
}
