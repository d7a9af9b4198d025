//! The text that is printed at the start: the address, and `curl` lines to paste.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use omneo_id::sandbox::Sandbox;

use crate::config::TenantConfig;
use crate::server::listener::LocalAddress;
use crate::tenants::ServedTenant;

/// The text for a server on these addresses. It contains no secrets: a configured API token is
/// shown as a shell variable. Only the embedded sandbox has `curl` lines: they write data.
pub(crate) fn text(
    addresses: &[LocalAddress],
    scheme: &str,
    metrics: Option<SocketAddr>,
    tenants: &[Arc<ServedTenant>],
) -> String {
    let first = addresses.iter().find_map(|address| match address {
        LocalAddress::Tcp(address) => Some(connectable(*address).to_string()),
        LocalAddress::Unix(_) => None,
    });
    let origin = format!("{scheme}://{}", first.as_deref().unwrap_or("localhost"));
    let metrics = metrics.map_or_else(String::new, |address| {
        format!("Metrics: http://{}/metrics\n", connectable(address))
    });
    let listeners = listeners(addresses);
    let openapi = format!("OpenAPI: {origin}/openapi.json");
    let [tenant] = tenants else {
        let locations = tenants.iter().map(|tenant| {
            let TenantConfig { key, .. } = &tenant.config;
            format!("  {key}: {}\n", tenant.config.location())
        });
        let locations: String = locations.collect();
        return format!(
            "Omneo ID is listening on {origin}\n{metrics}{listeners}{openapi}\n\
             Tenants:\n{locations}"
        );
    };
    let id = format!("{origin}{}", tenant.mount());
    let (is_sandbox, location) = match tenant.config.upstream {
        None => (
            true,
            "the embedded sandbox, a tenant in memory with invented data".to_owned(),
        ),
        Some(_) => (false, tenant.config.location()),
    };
    let head = format!("Omneo ID is listening on {id}\nTenant: {location}\n{metrics}{listeners}");
    let sessions = sessions(tenant);
    if !is_sandbox {
        return format!("{head}{openapi}\n{sessions}\n");
    }
    let values = Values::sandbox(tenant.config.public_token);
    format!(
        "{head}Demonstration page: {origin}/\n{openapi}\n{sessions}\n\n\
         Lines to paste into a shell, in this order. \
         Each request prints the response status last.\n\n{}",
        lines(&id, &values, &tenant.config)
    )
}

/// All addresses, unless the first line has the only one.
fn listeners(addresses: &[LocalAddress]) -> String {
    if let [LocalAddress::Tcp(_)] = addresses {
        return String::new();
    }
    let addresses: Vec<_> = addresses.iter().map(LocalAddress::to_string).collect();
    format!("Listeners: {}\n", addresses.join(", "))
}

fn sessions(tenant: &ServedTenant) -> String {
    let sessions = &tenant.sessions;
    let refresh = match sessions.refresh {
        None => "not refreshed".to_owned(),
        Some(refresh) => format!("refreshed until they are {} old", refresh.age()),
    };
    format!("Sessions: {refresh}; ended in {}", sessions.store.scope())
}

/// The values in the lines.
struct Values {
    api_token: &'static str,
    profile: &'static str,
    identity: (&'static str, &'static str),
    known: &'static str,
    unknown: &'static str,
}

impl Values {
    fn sandbox(public_token: Option<&'static str>) -> Self {
        Self {
            api_token: public_token.unwrap_or("$OMNEO_ID_API_TOKEN"),
            profile: Sandbox::ADA_ID,
            identity: (Sandbox::ADA_IDENTITY_HANDLE, Sandbox::ADA_IDENTITY),
            known: Sandbox::ADA_EMAIL,
            unknown: "someone.new@example.com",
        }
    }
}

fn lines(id: &str, values: &Values, tenant: &TenantConfig) -> String {
    let Values {
        api_token,
        profile,
        identity: (handle, identifier),
        known,
        unknown,
        ..
    } = values;
    let json = "-H 'content-type: application/json'";
    let status = r"-w ' -> %{http_code}\n'";
    let token = |variable: &str, arguments: &str| {
        format!(
            concat!(
                r#"{variable}=$(curl -s {arguments} "#,
                r#"| sed -n 's/.*"token":"\([^"]*\)".*/\1/p'); echo "${variable}""#
            ),
            variable = variable,
            arguments = arguments,
        )
    };
    let as_server = |route: &str, body: &str| {
        format!(r#"{id}/auth/{route} -H "authorization: Bearer {api_token}" {json} -d '{body}'"#)
    };
    let mint = |variable: &str, body: &str| token(variable, &as_server("token", body));
    let call = |variable: &str, arguments: &str| {
        format!(r#"curl -s {status} -H "authorization: Bearer ${variable}" {arguments}"#)
    };
    let upsert = |email: &str| {
        let body =
            format!(r#"{{"email":"{email}","attributes":{{"comms":{{"email_promo":true}}}}}}"#);
        call("ANONYMOUS", &format!("{id}/profiles {json} -d '{body}'"))
    };
    let no_news = r#"{"email_promo":false}"#;
    let refresh = r#"-X POST -H "authorization: Bearer $TOKEN""#;
    let refresh = (
        "Exchange the token for a new one of the same session",
        token("TOKEN", &format!("{refresh} {id}/auth/refresh")),
    );
    let public_keys = match tenant.keys.are_public() {
        true => "Read the public keys of the tokens: 200",
        false => "The tokens are signed with a secret, so there are no public keys: 404",
    };
    let paragraphs = [
        (
            "Mint a token for a profile, by its id",
            mint("TOKEN", &format!(r#"{{"id":"{profile}"}}"#)),
        ),
        (
            "Mint a token for the same profile, by an identity (a shop's customer id)",
            mint(
                "TOKEN",
                &format!(r#"{{"id":"{identifier}","id_handle":"{handle}"}}"#),
            ),
        ),
        ("Mint an anonymous token", mint("ANONYMOUS", "{}")),
        (
            "Read the profile: 200",
            call("TOKEN", &format!("{id}/profiles/me")),
        ),
        (
            "Read its wishlist: 200",
            call("TOKEN", &format!("{id}/profiles/me/lists/wishlist")),
        ),
        (
            "Change its consent: 200",
            call(
                "TOKEN",
                &format!(r#"-X PUT {id}/profiles/me/attributes/comms {json} -d '{no_news}'"#),
            ),
        ),
        (
            "The anonymous token has no profile: 404",
            call("ANONYMOUS", &format!("{id}/profiles/me")),
        ),
        (
            "Sign up with a known e-mail address; only the consent can change: 200",
            upsert(known),
        ),
        (
            "Sign up with a new e-mail address; the response is the same: 200",
            upsert(unknown),
        ),
        (
            "List published locations: 200",
            call(
                "ANONYMOUS",
                &format!("-g '{id}/locations?filter[is_published]=1&page[size]=2'"),
            ),
        ),
        (public_keys, format!("curl -s {status} {id}/auth/jwks")),
    ];
    let endings = [
        (
            "Sign out: end the token: 204",
            call("TOKEN", &format!("-X DELETE {id}/auth/token")),
        ),
        (
            "The ended token is rejected: 401",
            call("TOKEN", &format!("{id}/profiles/me")),
        ),
        (
            "End all sessions of the profile, as its shop's server does: 204",
            format!(
                "curl -s {status} {}",
                as_server("revoke", &format!(r#"{{"id":"{profile}"}}"#))
            ),
        ),
    ];
    let refresh = tenant.refresh.map(|_| refresh);
    let paragraphs = paragraphs.into_iter().chain(refresh).chain(endings);
    paragraphs
        .map(|(title, line)| format!("# {title}\n{line}\n"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// An address to connect to: loopback instead of the unspecified address.
fn connectable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
