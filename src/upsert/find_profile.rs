//! The tenant calls that find the profile with an address.

use bytes::Bytes;
use http::StatusCode;

use super::availability;
use super::lookup::{LookupKey, LookupResult, Page, unusable_response};
use super::sign_up::SignUp;
use super::tenant_client::{Forward, TenantClient, UpsertError};
use super::tenant_response::TenantResponse;
use crate::identity::ProfileId;
use crate::rejection::{Rejection, RejectionKind};

/// Looks up the profile with exactly this e-mail or, if there is none, exactly this phone number.
/// Reads at most `pages` pages per query.
///
/// Every spelling of the e-mail is queried even after a match. The number of calls therefore does
/// not depend on the stored spelling, or on a stored e-mail.
pub(super) async fn find_profile<S: Forward<B>, B>(
    tenant: &mut TenantClient<S, B>,
    sign_up: &SignUp,
    pages: u32,
) -> Result<LookupResult, UpsertError<S::Error>> {
    let mut result = LookupResult::None;
    for key in LookupKey::emails(sign_up) {
        result = result.and(find_by_key(tenant, key, pages).await?);
    }
    match LookupKey::phone(sign_up) {
        Some(key) if result == LookupResult::None => find_by_key(tenant, key, pages).await,
        _ => Ok(result),
    }
}

/// Reads the first page in the tenant's default size, and a larger one if the profile is not on it.
/// A profile beyond that is found later: the tenant rejects the creation of a second profile with
/// its address.
async fn find_by_key<S: Forward<B>, B>(
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

async fn read_page<S: Forward<B>, B>(
    tenant: &mut TenantClient<S, B>,
    key: LookupKey<'_>,
    path: String,
) -> Result<Page, UpsertError<S::Error>> {
    let body = success_body(tenant.get(path).await?)?;
    Ok(Page::parse(key, &body)?)
}

/// The owner of an address that the tenant rejects as taken, and that no look-up finds.
pub(super) enum AddressOwner {
    /// A profile with exactly the address of the sign-up. A case-sensitive filter, or a list of
    /// many similar addresses, has hidden it from the look-up.
    Confirmed(ProfileId),
    /// No profile has the address: the tenant rejects the address itself.
    None,
    /// A profile whose address is equal only in the tenant's collation, which may compare `é` and
    /// `e` as equal; or a profile that the tenant does not return.
    Ambiguous(Rejection),
}

/// Queries which profile has the address, and compares the address of that profile.
///
/// This query is sent only after the tenant has rejected the address as taken. An unusable response
/// is therefore [`AddressOwner::Ambiguous`]: a separate error would reveal that the address is
/// taken.
pub(super) async fn find_address_owner<S: Forward<B>, B>(
    tenant: &mut TenantClient<S, B>,
    sign_up: &SignUp,
) -> Result<AddressOwner, UpsertError<S::Error>> {
    match query_address_owner(tenant, sign_up).await {
        Err(UpsertError::Rejected(rejection))
            if rejection.kind() == RejectionKind::TenantAnswer =>
        {
            Ok(AddressOwner::Ambiguous(rejection))
        }
        owner => owner,
    }
}

async fn query_address_owner<S: Forward<B>, B>(
    tenant: &mut TenantClient<S, B>,
    sign_up: &SignUp,
) -> Result<AddressOwner, UpsertError<S::Error>> {
    let mut owner = AddressOwner::None;
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
            return Ok(AddressOwner::Confirmed(id));
        }
        owner = AddressOwner::Ambiguous(unusable_response(
            "an address is taken by a profile with another address",
        ));
    }
    Ok(owner)
}

/// The body of a 2xx response.
fn success_body(response: TenantResponse) -> Result<Bytes, Rejection> {
    match response.status.is_success() {
        true => Ok(response.body),
        false => Err(response.unexpected_status()),
    }
}
