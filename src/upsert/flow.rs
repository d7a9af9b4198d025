use http::{Method, StatusCode};

use super::decide::Decision;
use super::find_profile::{AddressOwner, find_address_owner, find_profile};
use super::in_flight::InFlightGuard;
use super::lookup::{LookupResult, MAX_PAGES, unusable_response};
use super::outcome::UpsertOutcome;
use super::policy::CommsPolicy;
use super::sign_up::SignUp;
use super::tenant_client::{Forward, TenantClient, UpsertError};
use super::tenant_errors::ValidationErrors;
use crate::rejection::Rejection;

/// Looks up the person, then updates the profile or creates one.
///
/// Three events between look-up and write repeat the look-up, each at most once: another sign-up of
/// this process creates the profile, another process creates it (the tenant rejects the address as
/// taken), or the profile is deleted (404). Writing the same payload again has no further effect.
///
/// Only creations wait for each other, and each waits at most once. The sign-up of a known person
/// never waits, so its duration does not depend on the number of sign-ups of its address.
pub(super) async fn upsert<S: Forward<B>, B>(
    tenant: &mut TenantClient<S, B>,
    policy: &CommsPolicy,
    sign_up: &SignUp,
    in_flight: &InFlightGuard,
) -> Result<UpsertOutcome, UpsertError<S::Error>> {
    let mut address_taken: Option<ValidationErrors> = None;
    let mut was_deleted = false;
    let mut has_waited = false;
    let mut pages = MAX_PAGES;
    loop {
        let creations_ended = in_flight.creations_ended();
        let mut profile = match find_profile(tenant, sign_up, pages).await? {
            LookupResult::None => None,
            LookupResult::Profile(profile) => Some(profile),
            LookupResult::Ambiguous(reason) => {
                return ambiguous(policy, unusable_response(reason));
            }
        };
        if let Some(errors) = address_taken.take()
            && profile.is_none()
        {
            profile = match find_address_owner(tenant, sign_up).await? {
                AddressOwner::Confirmed(profile) => Some(profile),
                AddressOwner::None => return invalid(policy, errors),
                AddressOwner::Ambiguous(rejection) => return ambiguous(policy, rejection),
            };
        }
        match policy.decide(sign_up, profile) {
            Decision::Nothing => return Ok(UpsertOutcome::Unchanged),
            Decision::Update { profile, body } => {
                let path = ["/profiles/", profile.as_str(), "/attributes/comms"].concat();
                let response = tenant.write(Method::PUT, path, body).await?;
                match response.status {
                    _ if response.is_stored() => return Ok(UpsertOutcome::Updated),
                    StatusCode::NOT_FOUND if !was_deleted => was_deleted = true,
                    StatusCode::NOT_FOUND => {
                        return ambiguous(policy, response.unexpected_status());
                    }
                    StatusCode::UNPROCESSABLE_ENTITY => {
                        let errors = ValidationErrors::parse(&response.body, "attributes.comms.");
                        return invalid(policy, errors);
                    }
                    _ => return Err(response.unexpected_status().into()),
                }
            }
            Decision::Create { body } => {
                let creation = in_flight.begin_creation(creations_ended);
                if creation.is_none() && !has_waited {
                    has_waited = true;
                    in_flight.wait_for_creation(creations_ended, policy).await?;
                    continue;
                }
                let path = "/profiles".to_owned();
                let response = tenant.write(Method::POST, path, body).await?;
                drop(creation);
                match response.status {
                    _ if response.is_stored() => return Ok(UpsertOutcome::Created),
                    StatusCode::UNPROCESSABLE_ENTITY => {
                        let errors = ValidationErrors::parse(&response.body, "");
                        if !errors.is_about_the_address {
                            return invalid(policy, errors);
                        }
                        address_taken = Some(errors);
                    }
                    _ => return Err(response.unexpected_status().into()),
                }
            }
        }
        pages = 1;
    }
}

/// The result for ambiguous data of the person: an error, concealed if the policy says so. A client
/// cannot correct such data, and the error would reveal that a profile exists, because it never
/// occurs for an unknown person.
fn ambiguous<E>(
    policy: &CommsPolicy,
    rejection: Rejection,
) -> Result<UpsertOutcome, UpsertError<E>> {
    if !policy.conceals() {
        return Err(rejection.into());
    }
    #[cfg(feature = "tracing")]
    {
        use std::error::Error;

        let cause = rejection.source().map(ToString::to_string);
        tracing::error!(
            cause,
            "a sign-up is lost: the tenant's data of the person is ambiguous, and the error is \
             concealed"
        );
    }
    Ok(UpsertOutcome::Concealed)
}

/// The result for a 422 by one of the tenant's own rules: an error, concealed if the policy says
/// so.
fn invalid<E>(
    policy: &CommsPolicy,
    errors: ValidationErrors,
) -> Result<UpsertOutcome, UpsertError<E>> {
    if !policy.conceals() {
        return Err(errors.rejection.into());
    }
    #[cfg(feature = "tracing")]
    log_concealed(&errors.rejection);
    Ok(UpsertOutcome::Concealed)
}

/// Logs the names of the invalid fields, never their values. Only the log records a concealed 422.
#[cfg(feature = "tracing")]
fn log_concealed(rejection: &Rejection) {
    let errors = rejection
        .errors()
        .into_iter()
        .flat_map(|errors| errors.iter());
    let fields: Vec<&str> = errors.map(|(field, _)| field).collect();
    tracing::warn!(
        ?fields,
        "a sign-up is lost: the tenant rejected the payload, and the error is concealed"
    );
}
