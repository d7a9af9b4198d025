use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use tower::Service;

use super::answer::Answer;
use super::call::{Caller, Failure};
use super::decide::Decision;
use super::lookup::{By, MAX_PAGES, Page};
use super::outcome::UpsertOutcome;
use super::policy::CommsPolicy;
use super::relay::Complaint;
use super::sign_up::SignUp;
use crate::error::BoxError;
use crate::identity::ProfileId;
use crate::rejection::{Rejection, RejectionKind};

/// Looks the person up, then writes once.
///
/// Two things can happen between look-up and write, and each sends it back to the look-up once:
/// somebody else created the profile (the tenant says that the address is taken), or deleted it
/// (404). Each write is one that a retry repeats without harm.
pub(super) async fn upsert<S, B, RB>(
    tenant: &mut Caller<S, B>,
    policy: &CommsPolicy,
    sign_up: &SignUp,
) -> Result<UpsertOutcome, Failure<S::Error>>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<RB>>,
    RB: http_body::Body,
    RB::Error: Into<BoxError>,
{
    let mut taken: Option<Complaint> = None;
    let mut deleted = false;
    loop {
        let found = find(tenant, sign_up).await?;
        match (policy.decide(sign_up, found), taken.take()) {
            (Decision::Nothing, _) => return Ok(UpsertOutcome::Unchanged),
            (Decision::Update { profile, body }, _) => {
                let path = format!("/profiles/{profile}/attributes/comms");
                let answer = tenant.send(Method::PUT, path, Some(body)).await?;
                match answer.status {
                    _ if answer.is_stored() => return Ok(UpsertOutcome::Updated),
                    StatusCode::NOT_FOUND if !deleted => deleted = true,
                    StatusCode::UNPROCESSABLE_ENTITY => {
                        let complaint = Complaint::read(&answer.body, "attributes.comms.");
                        return refused(policy, complaint);
                    }
                    _ => return Err(unusable(&answer).into()),
                }
            }
            // The tenant says that the person is there, and does not show them.
            (Decision::Create { .. }, Some(complaint)) => return refused(policy, complaint),
            (Decision::Create { body }, None) => {
                let path = "/profiles".to_owned();
                let answer = tenant.send(Method::POST, path, Some(body)).await?;
                match answer.status {
                    _ if answer.is_stored() => return Ok(UpsertOutcome::Created),
                    StatusCode::UNPROCESSABLE_ENTITY => {
                        let complaint = Complaint::read(&answer.body, "");
                        if !complaint.taken {
                            return refused(policy, complaint);
                        }
                        taken = Some(complaint);
                    }
                    _ => return Err(unusable(&answer).into()),
                }
            }
        }
    }
}

/// The profile of exactly this e-mail, or else of exactly this phone.
async fn find<S, B, RB>(
    tenant: &mut Caller<S, B>,
    sign_up: &SignUp,
) -> Result<Option<ProfileId>, Failure<S::Error>>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<RB>>,
    RB: http_body::Body,
    RB::Error: Into<BoxError>,
{
    let email = By::Email(sign_up.email());
    if let Some(id) = find_by(tenant, email).await? {
        return Ok(Some(id));
    }
    match sign_up.mobile_phone() {
        Some(phone) => find_by(tenant, By::MobilePhone(phone)).await,
        None => Ok(None),
    }
}

/// The first page as the tenant serves it, and a bounded number of others behind it. Somebody who
/// is further down still is not found here, and then is found by the tenant's refusal to have the
/// same address twice.
async fn find_by<S, B, RB>(
    tenant: &mut Caller<S, B>,
    by: By<'_>,
) -> Result<Option<ProfileId>, Failure<S::Error>>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<RB>>,
    RB: http_body::Body,
    RB::Error: Into<BoxError>,
{
    let mut page = read_page(tenant, by, by.list()).await?;
    for number in 1..=MAX_PAGES {
        if page.hit.is_some() || !page.more {
            break;
        }
        page = read_page(tenant, by, by.page(number)).await?;
    }
    Ok(page.hit)
}

async fn read_page<S, B, RB>(
    tenant: &mut Caller<S, B>,
    by: By<'_>,
    path: String,
) -> Result<Page, Failure<S::Error>>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<RB>>,
    RB: http_body::Body,
    RB::Error: Into<BoxError>,
{
    let answer = tenant.get(path).await?;
    if answer.status != StatusCode::OK {
        return Err(unusable(&answer).into());
    }
    Ok(Page::read(by, &answer.body)?)
}

/// A 422 by a rule that only the tenant knows.
fn refused<E>(policy: &CommsPolicy, complaint: Complaint) -> Result<UpsertOutcome, Failure<E>> {
    if policy.conceals() {
        #[cfg(feature = "tracing")]
        log_concealed(&complaint.rejection);
        return Ok(UpsertOutcome::Concealed);
    }
    Err(complaint.rejection.into())
}

/// For the operator, who alone learns of it: which fields, never what they held.
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

fn unusable(answer: &Answer) -> Rejection {
    Rejection::new(RejectionKind::TenantAnswer).because(UnexpectedStatus(answer.status))
}

/// What the tenant answered instead. For the operator.
#[derive(Debug)]
struct UnexpectedStatus(StatusCode);

impl std::fmt::Display for UnexpectedStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the tenant answered {} to a sign-up", self.0)
    }
}

impl std::error::Error for UnexpectedStatus {}
