use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use tower::Service;

use super::call::{Caller, Failure};
use super::decide::Decision;
use super::find::{Holder, find, find_holder};
use super::in_flight::InFlightGuard;
use super::lookup::{self, Found, MAX_PAGES};
use super::outcome::UpsertOutcome;
use super::policy::CommsPolicy;
use super::sign_up::SignUp;
use super::tenant_errors::ValidationErrors;
use crate::error::BoxError;
use crate::rejection::Rejection;

/// Looks the person up, then writes once.
///
/// Three things can happen between look-up and write, and each sends the sign-up back to the
/// look-up once: another sign-up of this process creates the profile, another process does (the
/// tenant calls the address taken), or the profile is deleted (404). A retry repeats each write
/// without harm.
///
/// Only creations wait for each other, and each waits at most once. A known person never waits, so
/// the time of an answer does not depend on the number of sign-ups of its address.
pub(super) async fn upsert<S, B, RB>(
    tenant: &mut Caller<S, B>,
    policy: &CommsPolicy,
    sign_up: &SignUp,
    in_flight: &InFlightGuard,
) -> Result<UpsertOutcome, Failure<S::Error>>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<RB>>,
    RB: http_body::Body,
    RB::Error: Into<BoxError>,
{
    let mut refusal: Option<ValidationErrors> = None;
    let mut deleted = false;
    let mut waited = false;
    let mut pages = MAX_PAGES;
    loop {
        let creations_ended = in_flight.creations_ended();
        let mut found = match find(tenant, sign_up, pages).await? {
            Found::None => None,
            Found::Profile(profile) => Some(profile),
            Found::Doubt(why) => return doubtful(policy, lookup::unusable(why)),
        };
        if let Some(complaint) = refusal.take()
            && found.is_none()
        {
            found = match find_holder(tenant, sign_up).await? {
                Holder::Proven(profile) => Some(profile),
                Holder::None => return refused(policy, complaint),
                Holder::Doubt(rejection) => return doubtful(policy, rejection),
            };
        }
        match policy.decide(sign_up, found) {
            Decision::Nothing => return Ok(UpsertOutcome::Unchanged),
            Decision::Update { profile, body } => {
                let path = ["/profiles/", profile.as_str(), "/attributes/comms"].concat();
                let answer = tenant.send(Method::PUT, path, Some(body)).await?;
                match answer.status {
                    _ if answer.is_stored() => return Ok(UpsertOutcome::Updated),
                    StatusCode::NOT_FOUND if !deleted => deleted = true,
                    StatusCode::NOT_FOUND => return doubtful(policy, answer.unusable()),
                    StatusCode::UNPROCESSABLE_ENTITY => {
                        let complaint = ValidationErrors::read(&answer.body, "attributes.comms.");
                        return refused(policy, complaint);
                    }
                    _ => return Err(answer.unusable().into()),
                }
            }
            Decision::Create { body } => {
                let creation = in_flight.try_create(creations_ended);
                if creation.is_none() && !waited {
                    waited = true;
                    in_flight.creation_ended(creations_ended, policy).await?;
                    continue;
                }
                let path = "/profiles".to_owned();
                let answer = tenant.send(Method::POST, path, Some(body)).await?;
                drop(creation);
                match answer.status {
                    _ if answer.is_stored() => return Ok(UpsertOutcome::Created),
                    StatusCode::UNPROCESSABLE_ENTITY => {
                        let complaint = ValidationErrors::read(&answer.body, "");
                        if !complaint.is_about_the_address {
                            return refused(policy, complaint);
                        }
                        refusal = Some(complaint);
                    }
                    _ => return Err(answer.unusable().into()),
                }
            }
        }
        pages = 1;
    }
}

/// What the tenant has of this person cannot be used. A client cannot correct that in a form, and
/// the error would tell that there is a profile, because an unknown person never meets it.
fn doubtful<E>(policy: &CommsPolicy, rejection: Rejection) -> Result<UpsertOutcome, Failure<E>> {
    if !policy.conceals() {
        return Err(rejection.into());
    }
    #[cfg(feature = "tracing")]
    {
        use std::error::Error;

        let cause = rejection.source().map(ToString::to_string);
        tracing::error!(
            cause,
            "a sign-up is lost: the tenant's data of the person is unusable, and that is concealed"
        );
    }
    Ok(UpsertOutcome::Concealed)
}

/// A 422 by a rule that only the tenant knows.
fn refused<E>(
    policy: &CommsPolicy,
    complaint: ValidationErrors,
) -> Result<UpsertOutcome, Failure<E>> {
    if !policy.conceals() {
        return Err(complaint.rejection.into());
    }
    #[cfg(feature = "tracing")]
    log_concealed(&complaint.rejection);
    Ok(UpsertOutcome::Concealed)
}

/// For the operator, the only one to learn of it: the fields, never their values.
#[cfg(feature = "tracing")]
fn log_concealed(rejection: &Rejection) {
    let errors = rejection
        .errors()
        .into_iter()
        .flat_map(|errors| errors.iter());
    let fields: Vec<&str> = errors.map(|(field, _)| field).collect();
    tracing::warn!(
        ?fields,
        "a sign-up is lost: the tenant refused it, and that is concealed"
    );
}
