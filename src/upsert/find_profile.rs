//! The tenant calls that find the profile with an address.

use bytes::Bytes;
use http::StatusCode;

use super::availability;
use super::lookup::{LookupKey, LookupResult, Page, unusable_response};
use super::sign_up::SignUp;
use super::tenant_client::{TenantClient, TenantService, UpsertError};
use super::tenant_response::TenantResponse;
use crate::identity::ProfileId;
use crate::rejection::{Rejection, RejectionKind};

/// Looks up the profile with exactly this e-mail or, if there is none, exactly this phone number.
/// Reads at most `pages` pages per query.
///
/// Every spelling of the e-mail is queried even after a match. The number of calls therefore does
/// not depend on the stored spelling, or on a stored e-mail.
pub(super) async fn find_profile<S: TenantService<B>, B>(
    tenant: &mut TenantClient<S, B>,
    sign_up: &SignUp,
    pages: u32,
) -> Result<Option<ProfileId>, UpsertError<S::Error>> {
    let mut result = LookupResult::None;
    for key in LookupKey::emails(sign_up) {
        result = result.and(find_by_key(tenant, key, pages).await?);
    }
    if let Some(key) = LookupKey::phone(sign_up)
        && result == LookupResult::None
    {
        result = find_by_key(tenant, key, pages).await?;
    }
    match result {
        LookupResult::None => Ok(None),
        LookupResult::Profile(profile) => Ok(Some(profile)),
        LookupResult::Ambiguous(reason) => Err(UpsertError::Revealing(unusable_response(reason))),
    }
}

/// Reads the first page in the tenant's default size, and a larger one if the profile is not on it.
/// A profile beyond that is found later: the tenant rejects the creation of a second profile with
/// its address.
async fn find_by_key<S: TenantService<B>, B>(
    tenant: &mut TenantClient<S, B>,
    key: LookupKey<'_>,
    pages: u32,
) -> Result<LookupResult, UpsertError<S::Error>> {
    let mut page = read_page(tenant, key, key.first_page()).await?;
    if page.result == LookupResult::None && page.has_more && pages > 1 {
        page = read_page(tenant, key, key.larger_page()).await?;
    }
    Ok(page.result)
}

async fn read_page<S: TenantService<B>, B>(
    tenant: &mut TenantClient<S, B>,
    key: LookupKey<'_>,
    path: String,
) -> Result<Page, UpsertError<S::Error>> {
    let body = success_body(tenant.get(path).await?)?;
    Ok(Page::parse(key, &body)?)
}

/// Finds the profile that has an address which the tenant rejects as taken, although no look-up
/// finds it: a case-sensitive filter, or a list of many similar addresses, may have hidden it.
/// `None`: no profile has the address, so the tenant rejects the address itself.
///
/// # Errors
/// [`UpsertError::Revealing`] for a profile whose address is equal only in the tenant's collation,
/// which may compare `é` and `e` as equal, and for every unusable response: this query is sent only
/// after the tenant has rejected the address, so a separate error would reveal that it is taken.
pub(super) async fn find_address_owner<S: TenantService<B>, B>(
    tenant: &mut TenantClient<S, B>,
    sign_up: &SignUp,
) -> Result<Option<ProfileId>, UpsertError<S::Error>> {
    match query_address_owner(tenant, sign_up).await {
        Err(UpsertError::Rejected(rejection))
            if rejection.kind() == RejectionKind::TenantAnswer =>
        {
            Err(UpsertError::Revealing(rejection))
        }
        owner => owner,
    }
}

async fn query_address_owner<S: TenantService<B>, B>(
    tenant: &mut TenantClient<S, B>,
    sign_up: &SignUp,
) -> Result<Option<ProfileId>, UpsertError<S::Error>> {
    let mut has_another_address = false;
    // One query per address: a phone number that the tenant cannot parse must not hide the owner of
    // the e-mail.
    for key in LookupKey::emails(sign_up).chain(LookupKey::phone(sign_up)) {
        let path = availability::PATH.to_owned();
        let response = tenant.query(path, availability::request_body(key)).await?;
        // An address that the tenant cannot parse does not have an owner.
        if response.status == StatusCode::UNPROCESSABLE_ENTITY {
            continue;
        }
        let Some(id) = availability::parse_profile_id(key, &success_body(response)?)? else {
            continue;
        };
        let profile = success_body(tenant.get(format!("/profiles/{id}")).await?)?;
        if availability::has_address(key, &id, &profile)? {
            return Ok(Some(id));
        }
        has_another_address = true;
    }
    match has_another_address {
        true => Err(unusable_response(ANOTHER_ADDRESS).into()),
        false => Ok(None),
    }
}

const ANOTHER_ADDRESS: &str = "an address is taken by a profile with another address";

/// The body of a 2xx response.
fn success_body(response: TenantResponse) -> Result<Bytes, Rejection> {
    match response.status.is_success() {
        true => Ok(response.body),
        false => Err(response.unexpected_status()),
    }
}
