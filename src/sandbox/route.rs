//! Routes: from a path to its handlers.

use http::Method;

use super::call::Call;
use super::handlers::{
    attributes, auth, connections, identities, items, locations, loyalty, profiles,
};
use super::resources::{self, Access, SubResource};
use super::response::{Outcome, SandboxResponse};
use super::store::Store;

pub(crate) type Handler = fn(&mut Store, &Call) -> Outcome;
type MethodHandlers = &'static [(Method, Handler)];

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
    call.sub_resource = route.sub_resource;
    let method = if call.method == Method::HEAD {
        GET
    } else {
        call.method.clone()
    };
    if let Some((_, handler)) = route
        .handlers
        .iter()
        .find(|(handled, _)| *handled == method)
    {
        return handler(store, call);
    }
    let mut allow: Vec<&str> = Vec::new();
    for (method, _) in route.handlers {
        allow.push(method.as_str());
        if *method == GET {
            allow.push("HEAD");
        }
    }
    let allow = allow.join(", ");
    if method == Method::OPTIONS {
        let response = SandboxResponse::status(http::StatusCode::NO_CONTENT);
        return Ok(response.with(http::header::ALLOW, &allow));
    }
    Err(SandboxResponse::wrong_method(
        call.method.as_str(),
        call.path.trim_start_matches('/'),
        &allow,
    ))
}

struct Route {
    handlers: MethodHandlers,
    params: Vec<String>,
    sub_resource: Option<SubResource>,
}

fn find(segments: &[String]) -> Option<Route> {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (handlers, params): (MethodHandlers, &[&str]) = match segments.as_slice() {
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
        handlers,
        params: to_owned(params),
        sub_resource: None,
    })
}

fn below_profile(id: &str, rest: &[&str]) -> Option<Route> {
    let (handlers, params): (MethodHandlers, &[&str]) = match rest {
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
            let sub_resource = resources::sub_resource(rest)?;
            return Some(Route {
                handlers: item_handlers(&sub_resource),
                params: to_owned(&[id]),
                sub_resource: Some(sub_resource),
            });
        }
    };
    let params = [&[id], params].concat();
    Some(Route {
        handlers,
        params: to_owned(&params),
        sub_resource: resources::sub_resource(rest),
    })
}

fn item_handlers(sub_resource: &SubResource) -> MethodHandlers {
    let (collection, key) = sub_resource.innermost();
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

fn to_owned(params: &[&str]) -> Vec<String> {
    params.iter().map(|param| (*param).to_owned()).collect()
}
