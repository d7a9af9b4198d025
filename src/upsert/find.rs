//! The calls that tell whose an address is.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};
use tower::Service;

use super::answer::Answer;
use super::availability;
use super::call::{Caller, Failure};
use super::lookup::{By, Found, Page};
use super::sign_up::SignUp;
use crate::error::BoxError;
use crate::identity::ProfileId;
use crate::rejection::{Rejection, RejectionKind};

/// Looks for the profile of exactly this e-mail, or else of exactly this phone, on so many pages.
///
/// Each form of the e-mail is asked for even if an earlier one was found, so that the number of
/// calls does not tell which form is stored, or that one is.
pub(super) async fn find<S, B, RB>(
    tenant: &mut Caller<S, B>,
    sign_up: &SignUp,
    pages: u32,
) -> Result<Found, Failure<S::Error>>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<RB>>,
    RB: http_body::Body,
    RB::Error: Into<BoxError>,
{
    let mut found = Found::None;
    for by in By::emails(sign_up) {
        found = found.and(find_by(tenant, by, pages).await?);
    }
    match By::phone(sign_up) {
        Some(by) if found == Found::None => find_by(tenant, by, pages).await,
        _ => Ok(found),
    }
}

/// Reads the first page as the tenant makes it, and a longer one if the profile is not on it. A
/// profile that is further down is found by the tenant's refusal to have an address twice.
async fn find_by<S, B, RB>(
    tenant: &mut Caller<S, B>,
    by: By<'_>,
    pages: u32,
) -> Result<Found, Failure<S::Error>>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<RB>>,
    RB: http_body::Body,
    RB::Error: Into<BoxError>,
{
    let mut page = read_page(tenant, by, by.list()).await?;
    if page.found == Found::None && page.more && pages > 1 {
        page = read_page(tenant, by, by.longer_list()).await?;
    }
    Ok(page.found)
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

/// The profile with an address that the tenant refuses, and that no look-up finds.
pub(super) enum Holder {
    /// The person who signs up: filters that mind letter case, or too many look-alikes, hid the
    /// profile.
    Proven(ProfileId),
    /// None. The tenant does not like the address itself.
    None,
    /// A profile whose address is equal to the tenant only, which may take `é` for `e`, or one that
    /// the tenant does not show.
    Doubt(Rejection),
}

/// Asks the tenant which profile has the address, and compares the address of that profile.
///
/// Only a sign-up whose address the tenant calls taken gets here. So an answer that cannot be used
/// is a doubt about this person: as an error of its own it would tell that the address is taken.
pub(super) async fn find_holder<S, B, RB>(
    tenant: &mut Caller<S, B>,
    sign_up: &SignUp,
) -> Result<Holder, Failure<S::Error>>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<RB>>,
    RB: http_body::Body,
    RB::Error: Into<BoxError>,
{
    match ask_holder(tenant, sign_up).await {
        Err(Failure::Rejected(rejection)) if rejection.kind() == RejectionKind::TenantAnswer => {
            Ok(Holder::Doubt(rejection))
        }
        holder => holder,
    }
}

async fn ask_holder<S, B, RB>(
    tenant: &mut Caller<S, B>,
    sign_up: &SignUp,
) -> Result<Holder, Failure<S::Error>>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<RB>>,
    RB: http_body::Body,
    RB::Error: Into<BoxError>,
{
    let mut holder = Holder::None;
    // One question for each: a phone that the tenant cannot read must not hide the e-mail's holder.
    for by in By::emails(sign_up).chain(By::phone(sign_up)) {
        let path = availability::PATH.to_owned();
        let answer = tenant.query(path, availability::question(by)).await?;
        // An address that the tenant cannot read has no holder.
        if answer.status == StatusCode::UNPROCESSABLE_ENTITY {
            continue;
        }
        let Some(id) = availability::named(by, &ok(answer)?)? else {
            continue;
        };
        let profile = ok(tenant.get(format!("/profiles/{id}")).await?)?;
        if availability::proves(by, &id, &profile)? {
            return Ok(Holder::Proven(id));
        }
        holder = Holder::Doubt(super::lookup::unusable(
            "an address is taken by a profile with another address",
        ));
    }
    Ok(holder)
}

/// The body of a 2xx.
fn ok(answer: Answer) -> Result<Bytes, Rejection> {
    match answer.status.is_success() {
        true => Ok(answer.body),
        false => Err(answer.unusable()),
    }
}
