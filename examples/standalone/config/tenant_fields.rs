//! The settings of a tenant: flags, and fields of `[[tenant]]` and `[defaults]` in the
//! configuration file.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use super::setting::{Number, Setting};

/// The settings of a tenant, before they are checked. A field of the file has the name of its
/// flag, with `_` instead of `-`.
#[derive(Args, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Tenant")]
pub(super) struct TenantFields {
    /// The name of the tenant in the resolver, in logs and in metrics. In the file only.
    #[arg(skip)]
    pub(super) key: Option<Setting<String>>,

    /// The hosts that the tenant is served under. In the file only.
    #[arg(skip)]
    pub(super) hosts: Option<Vec<Setting<String>>>,

    /// The tenant's origin, such as https://api.acme.getomneo.com. Default is the embedded sandbox,
    /// if no other setting of a tenant is given.
    #[arg(long, value_name = "ORIGIN")]
    pub(super) upstream: Option<Setting<String>>,

    /// Accept an --upstream with plain http on a host other than loopback: the API token travels
    /// unencrypted. Default is to reject it.
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(super) insecure_upstream: Option<Setting<bool>>,

    /// Base path of the tenant's API. Default is /api/v3.
    #[arg(long, value_name = "PATH")]
    pub(super) upstream_base: Option<Setting<String>>,

    /// Serve the embedded sandbox even if other settings of a tenant are given.
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(super) sandbox: Option<Setting<bool>>,

    /// The tenant's API token. Default is the sandbox's.
    #[arg(long, value_name = "TOKEN")]
    pub(super) api_token: Option<Setting<String>>,

    /// File with the tenant's API token.
    #[arg(long, value_name = "FILE")]
    pub(super) api_token_file: Option<Setting<PathBuf>>,

    /// HS256 secret that signs ID tokens, at least 32 bytes. Default is a random secret per start.
    #[arg(long, value_name = "SECRET")]
    pub(super) signing_key: Option<Setting<String>>,

    /// File with the key that signs ID tokens: PEM (EdDSA, ES256, RS256), or a secret.
    #[arg(long, value_name = "FILE")]
    pub(super) signing_key_file: Option<Setting<PathBuf>>,

    /// Key id of the signing key, kid in ID tokens and in the JWK set. Default is none.
    #[arg(long, value_name = "ID")]
    pub(super) key_id: Option<Setting<String>>,

    /// File with a further key that verifies ID tokens: PEM (public or private), a secret, a JWK or
    /// a JWK set; repeatable. Default is none.
    #[arg(long, value_name = "FILE")]
    pub(super) verifying_key_file: Option<Vec<Setting<PathBuf>>>,

    /// Issuer, iss in ID tokens, which verified ones must have. Default is none.
    #[arg(long, value_name = "NAME")]
    pub(super) issuer: Option<Setting<String>>,

    /// Audience, aud in ID tokens, which verified ones must have. Default is none, and the key of a
    /// tenant of the file.
    #[arg(long, value_name = "NAME")]
    pub(super) audience: Option<Setting<String>>,

    /// Lifetime of ID tokens, such as 1h or 900s. Default is 1h.
    #[arg(long, value_name = "DURATION")]
    pub(super) token_ttl: Option<Setting<String>>,

    /// Tolerated difference between the clocks of minting and verifying machines. Default is 5s.
    #[arg(long, value_name = "DURATION")]
    pub(super) leeway: Option<Setting<String>>,

    /// Capacity of the cache of verified tokens, 0 for none. Default is 1024.
    #[arg(long, value_name = "NUMBER")]
    pub(super) token_cache: Option<Setting<Number>>,

    /// How long a successful check of an API token is reused for further anonymous tokens, 1s to
    /// 60s, or off. Default is off.
    #[arg(long, value_name = "DURATION")]
    pub(super) verify_cache: Option<Setting<String>>,

    /// File with the API tokens that may mint, one per line, which are compared here instead of by
    /// the tenant. Default is none: the tenant checks each token.
    #[arg(long, value_name = "FILE")]
    pub(super) pinned_api_token_file: Option<Setting<PathBuf>>,

    /// Refresh ID tokens until their session has this age, such as 12h, or off. Default is off,
    /// with the embedded sandbox 12h.
    #[arg(long, value_name = "DURATION")]
    pub(super) refresh: Option<Setting<String>>,

    /// End an ID token when it is refreshed. Default is to keep it until it expires.
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(super) refresh_rotate: Option<Setting<bool>>,

    /// Secret that signs the tenant's webhooks, at least 16 bytes. Default is none: webhooks are
    /// not served.
    #[arg(long, value_name = "SECRET")]
    pub(super) webhook_secret: Option<Setting<String>>,

    /// File with the secret that signs the tenant's webhooks; several secrets, one per line, are
    /// accepted alike.
    #[arg(long, value_name = "FILE")]
    pub(super) webhook_secret_file: Option<Setting<PathBuf>>,

    /// Access below /profiles/me: open, one of the presets storefront, checkout and read-only, or a
    /// file of rules, one per line, such as "allow GET,HEAD /addresses/**", "deny DELETE /" or
    /// "fields PUT / first_name,last_name"; its first line can be "preset storefront". Without a
    /// preset, a file with an allow line denies everything else; a file without one permits
    /// everything else. Default is open.
    #[arg(long, value_name = "open|PRESET|FILE")]
    pub(super) policy: Option<Setting<String>>,

    /// Delay responses to sign-ups to a multiple of this time, so that their timing does not reveal
    /// customers; or off. Default is off.
    #[arg(long, value_name = "DURATION")]
    pub(super) uniform_latency: Option<Setting<String>>,

    /// Respond to a sign-up with 200 even if the tenant rejects its data. Default is to relay the
    /// tenant's 422.
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(super) conceal_validation: Option<Setting<bool>>,

    /// Further consent field that sign-ups may change, repeatable or comma-separated. Default are
    /// the documented ones.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(super) consent_field: Option<Vec<Setting<String>>>,

    /// Apply the defaults of new profiles (email_promo true, email_optout false) also to known
    /// ones, which records consent that the sign-up does not contain. Default is to update only
    /// the fields that have a value.
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(super) consent_defaults_on_update: Option<Setting<bool>>,

    /// Greatest length of the body of a sign-up in bytes. Default is 65536.
    #[arg(long, value_name = "NUMBER")]
    pub(super) sign_up_body_limit: Option<Setting<Number>>,

    /// Further request header that is forwarded to the tenant, repeatable or comma-separated.
    /// Default are the headers of the allow-list.
    #[arg(long, value_name = "HEADER", value_delimiter = ',')]
    pub(super) forward_request_header: Option<Vec<Setting<String>>>,

    /// Response header of the tenant that is forwarded although it is removed by default,
    /// repeatable or comma-separated. Default is none.
    #[arg(long, value_name = "HEADER", value_delimiter = ',')]
    pub(super) pass_response_header: Option<Vec<Setting<String>>>,

    /// Further response header of the tenant that is removed, repeatable or comma-separated.
    /// Default is none.
    #[arg(long, value_name = "HEADER", value_delimiter = ',')]
    pub(super) drop_response_header: Option<Vec<Setting<String>>>,

    /// Headers that describe the client to the tenant. Default is x-forwarded.
    #[arg(long, value_name = "x-forwarded|forwarded|both|none")]
    pub(super) forwarding: Option<Setting<String>>,

    /// Add a Via header to requests to the tenant. Default is off: nginx does not compress
    /// responses to requests with this header.
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(super) via: Option<Setting<bool>>,

    /// How long the tenant may take to send the head of its response. Default is 30s.
    #[arg(long, value_name = "DURATION")]
    pub(super) head_timeout: Option<Setting<String>>,

    /// How long a body may be idle, in either direction. Default is 60s.
    #[arg(long, value_name = "DURATION")]
    pub(super) body_idle_timeout: Option<Setting<String>>,

    /// How long a client may take to send a body that is collected, such as that of a sign-up.
    /// Default is 30s.
    #[arg(long, value_name = "DURATION")]
    pub(super) body_read_timeout: Option<Setting<String>>,

    /// Limit of concurrent calls of this tenant. Default is that of the server. In the file only.
    #[arg(skip)]
    pub(super) max_in_flight: Option<Setting<Number>>,

    /// Allowed origins of cross-origin requests, repeatable or comma-separated;
    /// https://*.shop.example allows all subdomains, * any origin. Default is none.
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    pub(super) cors_origin: Option<Vec<Setting<String>>>,

    /// Further request headers of cross-origin requests, repeatable or comma-separated. Default
    /// are the forwarded headers, authorization, and the headers of tracing scripts.
    #[arg(long, value_name = "HEADER", value_delimiter = ',')]
    pub(super) cors_header: Option<Vec<Setting<String>>>,

    /// Further response headers that cross-origin pages may read, repeatable or comma-separated.
    /// Default are etag, location, retry-after, www-authenticate and x-request-id.
    #[arg(long, value_name = "HEADER", value_delimiter = ',')]
    pub(super) cors_expose: Option<Vec<Setting<String>>>,

    /// Path prefix of the API, / for none. Default is /id/api/v1.
    #[arg(long, value_name = "PATH")]
    pub(super) mount: Option<Setting<String>>,
}
