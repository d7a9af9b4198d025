use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use tower::Service;

use super::answer::Answer;
use super::call::{Caller, Failure};
use super::decide::Decision;
use super::holder;
use super::lookup::{self, By, MAX_PAGES, Page};
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
    let mut refusal: Option<Complaint> = None;
    let mut deleted = false;
    loop {
        let mut found = find(tenant, sign_up).await?;
        if let Some(complaint) = refusal.take()
            && found.is_none()
        {
            found = match find_holder(tenant, sign_up).await? {
                Holder::Proven(profile) => Some(profile),
                Holder::Nobody => return refused(policy, complaint),
                Holder::SomebodyElse => return contradicted(policy, &complaint),
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
                    StatusCode::UNPROCESSABLE_ENTITY => {
                        let complaint = Complaint::read(&answer.body, "attributes.comms.");
                        return refused(policy, complaint);
                    }
                    _ => return Err(unusable(&answer).into()),
                }
            }
            Decision::Create { body } => {
                let path = "/profiles".to_owned();
                let answer = tenant.send(Method::POST, path, Some(body)).await?;
                match answer.status {
                    _ if answer.is_stored() => return Ok(UpsertOutcome::Created),
                    StatusCode::UNPROCESSABLE_ENTITY => {
                        let complaint = Complaint::read(&answer.body, "");
                        if !complaint.is_about_the_address {
                            return refused(policy, complaint);
                        }
                        refusal = Some(complaint);
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
    for by in By::each(sign_up) {
        if let Some(id) = find_by(tenant, by).await? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Who has an address that the tenant refuses, and that no look-up finds.
enum Holder {
    /// The person who signs up: filters that mind letter case, or too many look-alikes, hid them.
    Proven(ProfileId),
    /// Somebody whose address is equal to the tenant only, which may take `é` for `e`.
    SomebodyElse,
    /// It is free, so it is the address itself that the tenant does not like.
    Nobody,
}

/// Asks the tenant who has the address, and believes it once the profile has been compared.
async fn find_holder<S, B, RB>(
    tenant: &mut Caller<S, B>,
    sign_up: &SignUp,
) -> Result<Holder, Failure<S::Error>>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<RB>>,
    RB: http_body::Body,
    RB::Error: Into<BoxError>,
{
    let mut holder = Holder::Nobody;
    // Each alone: a number that the tenant cannot read must not hide that the e-mail is somebody's.
    for by in By::each(sign_up) {
        let path = holder::PATH.to_owned();
        let answer = tenant.query(path, holder::question(by)).await?;
        // What it cannot read, nobody has.
        if answer.status == StatusCode::UNPROCESSABLE_ENTITY {
            continue;
        }
        let Some(id) = holder::named(by, &ok(answer)?)? else {
            continue;
        };
        let profile = ok(tenant.get(format!("/profiles/{id}")).await?)?;
        if holder::proves(by, &id, &profile)? {
            return Ok(Holder::Proven(id));
        }
        holder = Holder::SomebodyElse;
    }
    Ok(holder)
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
    let body = ok(tenant.get(path).await?)?;
    Ok(Page::read(by, &body)?)
}

/// The body of a 200.
fn ok(answer: Answer) -> Result<Bytes, Rejection> {
    match answer.status {
        StatusCode::OK => Ok(answer.body),
        _ => Err(unusable(&answer)),
    }
}

/// The tenant refuses the address as somebody's whom it does not show under it. Nobody can correct
/// that in a form, and its words would say outright that there is a customer.
fn contradicted<E>(
    policy: &CommsPolicy,
    complaint: &Complaint,
) -> Result<UpsertOutcome, Failure<E>> {
    if policy.conceals() {
        return Ok(conceal(complaint));
    }
    Err(lookup::unusable("an address is taken by somebody who has another").into())
}

/// A 422 by a rule that only the tenant knows.
fn refused<E>(policy: &CommsPolicy, complaint: Complaint) -> Result<UpsertOutcome, Failure<E>> {
    if policy.conceals() {
        return Ok(conceal(&complaint));
    }
    Err(complaint.rejection.into())
}

#[cfg_attr(not(feature = "tracing"), expect(unused_variables))]
fn conceal(complaint: &Complaint) -> UpsertOutcome {
    #[cfg(feature = "tracing")]
    log_concealed(&complaint.rejection);
    UpsertOutcome::Concealed
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
