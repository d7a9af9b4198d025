//! Routes: from a path to its handlers.

use http::Method;

use super::call::Call;
use super::handlers::{
    attributes, auth, connections, identities, items, locations, loyalty, profiles,
};
use super::resources::{self, Access, Place};
use super::response::{Outcome, SandboxResponse};
use super::store::Store;

pub(crate) type Handler = fn(&mut Store, &Call) -> Outcome;
type Verbs = &'static [(Method, Handler)];

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const DELETE: Method = Method::DELETE;

/// Finds the route and calls the handler of the method.
pub(crate) fn dispatch(store: &mut Store, call: &mut Call) -> Outcome {
    let Some(route) = find(&call.segments) else {
        return Err(SandboxResponse::no_route(call.path.trim_start_matches('/')));
    };
    call.params = route.params;
    call.place = route.place;
    let wanted = if call.verb == Method::HEAD {
        GET
    } else {
        call.verb.clone()
    };
    if let Some((_, handler)) = route.verbs.iter().find(|(verb, _)| *verb == wanted) {
        return handler(store, call);
    }
    let mut allow: Vec<&str> = Vec::new();
    for (verb, _) in route.verbs {
        allow.push(verb.as_str());
        if *verb == GET {
            allow.push("HEAD");
        }
    }
    let allow = allow.join(", ");
    if wanted == Method::OPTIONS {
        let answer = SandboxResponse::status(http::StatusCode::NO_CONTENT);
        return Ok(answer.with(http::header::ALLOW, &allow));
    }
    Err(SandboxResponse::wrong_method(
        call.verb.as_str(),
        call.path.trim_start_matches('/'),
        &allow,
    ))
}

struct Route {
    verbs: Verbs,
    params: Vec<String>,
    place: Option<Place>,
}

fn find(segments: &[String]) -> Option<Route> {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (verbs, params): (Verbs, &[&str]) = match segments.as_slice() {
        ["auth", "verify"] => (&[(GET, auth::verify)], &[]),
        ["profiles"] => (&[(GET, profiles::index), (POST, profiles::create)], &[]),
        ["profiles", "search-id"] => (&[(POST, profiles::search_id)], &[]),
        ["profiles", "availability"] => (&[(POST, profiles::availability)], &[]),
        ["profiles", id] => (
            &[
                (GET, profiles::show),
                (PUT, profiles::update),
                (DELETE, profiles::remove),
            ],
            &[id],
        ),
        ["profiles", id, rest @ ..] => return below_profile(id, rest),
        ["identities"] => (&[(GET, identities::index)], &[]),
        ["connections"] => (&[(GET, connections::index)], &[]),
        ["connections", id] => (&[(GET, connections::show)], &[id]),
        ["locations"] => (&[(GET, locations::index)], &[]),
        ["locations", id] => (&[(GET, locations::show)], &[id]),
        ["locations", id, "custom-fields"] => (&[(GET, locations::custom_fields)], &[id]),
        ["locations", kind, id] => (&[(GET, locations::show_by)], &[id, kind]),
        _ => return None,
    };
    Some(Route {
        verbs,
        params: own(params),
        place: None,
    })
}

fn below_profile(id: &str, rest: &[&str]) -> Option<Route> {
    let (verbs, params): (Verbs, &[&str]) = match rest {
        ["purge"] => (&[(DELETE, profiles::remove), (POST, profiles::remove)], &[]),
        ["resync"] => (&[(GET, profiles::show)], &[]),
        ["update-type"] => (&[(PUT, profiles::update_type)], &[]),
        ["attributes"] => (&[(GET, attributes::all)], &[]),
        ["attributes", "comms"] => (
            &[(GET, attributes::comms), (PUT, attributes::put_comms)],
            &[],
        ),
        ["comms"] => (
            &[
                (GET, attributes::comms_list),
                (PUT, attributes::put_comms_list),
            ],
            &[],
        ),
        ["attributes", "appearance"] => (
            &[
                (GET, attributes::appearance),
                (PUT, attributes::put_appearance),
            ],
            &[],
        ),
        ["attributes", "dates"] => (
            &[
                (GET, items::index),
                (POST, items::create),
                (PUT, attributes::put_dates),
            ],
            &[],
        ),
        ["balances"] => (&[(GET, loyalty::balances)], &[]),
        ["redeem"] => (&[(POST, loyalty::redeem)], &[]),
        ["benefits", benefit, "redeem"] => (&[(POST, loyalty::redeem_benefit)], &[benefit]),
        ["tiers", "calculate"] => (
            &[(GET, loyalty::current_tier), (POST, loyalty::current_tier)],
            &[],
        ),
        ["tiers", "assign"] => (&[(POST, loyalty::assign_tier)], &[]),
        ["aggregations", "calculate"] => (
            &[(GET, loyalty::aggregations), (POST, loyalty::aggregations)],
            &[],
        ),
        ["find-transactions"] => (
            &[
                (GET, loyalty::find_transactions),
                (POST, loyalty::find_transactions),
            ],
            &[],
        ),
        ["identities"] => (&[(GET, items::index), (POST, identities::create)], &[]),
        ["identities", key] | ["identities", "id", key] => (
            &[
                (GET, identities::show),
                (PUT, identities::update),
                (DELETE, identities::remove),
            ],
            &[key],
        ),
        ["connections"] => (
            &[(GET, connections::of_profile), (POST, connections::create)],
            &[],
        ),
        ["connections", key] => (
            &[
                (GET, connections::show_own),
                (PUT, connections::update),
                (DELETE, connections::remove),
            ],
            &[key],
        ),
        ["connections", key, "profileInfo"] => (&[(GET, connections::profile_info)], &[key]),
        _ => {
            let place = resources::place(rest)?;
            return Some(Route {
                verbs: item_verbs(&place),
                params: own(&[id]),
                place: Some(place),
            });
        }
    };
    let params = [&[id], params].concat();
    Some(Route {
        verbs,
        params: own(&params),
        place: resources::place(rest),
    })
}

fn item_verbs(place: &Place) -> Verbs {
    let (collection, key) = place.innermost();
    match (key, collection.access) {
        (None, Access::Read) => &[(GET, items::index)],
        (None, _) => &[(GET, items::index), (POST, items::create)],
        (Some(_), Access::Read) => &[(GET, items::show)],
        (Some(_), _) => &[
            (GET, items::show),
            (PUT, items::update),
            (DELETE, items::remove),
        ],
    }
}

fn own(params: &[&str]) -> Vec<String> {
    params.iter().map(|param| (*param).to_owned()).collect()
}
