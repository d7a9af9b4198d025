//! Builds the service of a tenant.

use omneo_id::error::ConfigError;
use omneo_id::headers::{RequestHeaders, ResponseHeaders};
use omneo_id::upsert::CommsPolicy;
use omneo_id::{ApiToken, OmneoId, OmneoIdBuilder, Revocations, SigningKey, WebhookEndpoint};

use super::tenant::TenantConfig;

/// The origin of the embedded sandbox. No request is sent to it.
const SANDBOX_ORIGIN: &str = "http://127.0.0.1";

type Builder = Result<OmneoIdBuilder, ConfigError>;

/// Applies the settings of a field and of those that belong to it.
type Step = fn(OmneoIdBuilder, &TenantConfig, &SigningKey) -> Builder;

/// Each step with the field that is reported if it fails.
const STEPS: [(&str, Step); 22] = [
    ("upstream", |builder, tenant, _| {
        let origin = tenant.upstream.as_deref().unwrap_or(SANDBOX_ORIGIN);
        match tenant.insecure_upstream {
            true => builder.insecure_upstream(origin),
            false => builder.upstream(origin),
        }
    }),
    ("upstream_base", |builder, tenant, _| {
        Ok(builder.base_path(&*tenant.upstream_base))
    }),
    ("api_token", |builder, tenant, _| {
        Ok(builder.api_token(tenant.api_token.expose()))
    }),
    ("signing_key", |builder, tenant, random| {
        Ok(builder.keyring(tenant.keys.keyring(random)?))
    }),
    ("issuer", |builder, tenant, _| {
        Ok(match &tenant.issuer {
            Some(issuer) => builder.issuer(issuer),
            None => builder,
        })
    }),
    ("audience", |builder, tenant, _| {
        Ok(match &tenant.audience {
            Some(audience) => builder.audience(audience),
            None => builder,
        })
    }),
    ("token_ttl", |builder, tenant, _| {
        Ok(builder.token_lifetime(tenant.token_ttl))
    }),
    ("leeway", |builder, tenant, _| {
        Ok(builder.leeway(tenant.leeway))
    }),
    ("token_cache", |builder, tenant, _| {
        Ok(builder.token_cache_capacity(tenant.token_cache))
    }),
    ("verify_cache", |builder, tenant, _| {
        Ok(match tenant.verify_cache {
            Some(life) => builder.verify_cache(life),
            None => builder,
        })
    }),
    ("pinned_api_token_file", |builder, tenant, _| {
        let Some(tokens) = &tenant.pinned_api_tokens else {
            return Ok(builder);
        };
        let tokens = tokens.iter().map(|token| ApiToken::new(token.expose()));
        Ok(builder.pinned_api_tokens(tokens.collect::<Result<Vec<_>, _>>()?))
    }),
    ("refresh", |builder, tenant, _| {
        Ok(match tenant.refresh {
            Some(refresh) => builder.refresh(refresh.policy()?),
            None => builder,
        })
    }),
    ("webhook_secret", |builder, tenant, _| {
        Ok(match webhook(tenant)? {
            Some(webhook) => builder.webhook(webhook),
            None => builder,
        })
    }),
    ("policy", |builder, tenant, _| {
        Ok(match &tenant.access {
            Some(access) => builder.access_policy(access.policy()?),
            None => builder,
        })
    }),
    ("uniform_latency", |builder, tenant, _| {
        Ok(builder.comms_policy(comms_policy(tenant)?))
    }),
    ("forward_request_header", |builder, tenant, _| {
        let mut names = tenant.forward_request_headers.iter();
        let headers = names.try_fold(RequestHeaders::default(), |headers, name| {
            headers.allow(name)
        });
        Ok(builder.request_headers(headers?))
    }),
    ("drop_response_header", |builder, tenant, _| {
        let mut passed = tenant.pass_response_headers.iter();
        let headers = passed.try_fold(ResponseHeaders::default(), |headers, name| {
            headers.allow(name)
        });
        let mut dropped = tenant.drop_response_headers.iter();
        let headers = dropped.try_fold(headers?, |headers, name| headers.remove(name));
        Ok(builder.response_headers(headers?))
    }),
    ("forwarding", |builder, tenant, _| {
        Ok(builder.forwarding(tenant.forwarding.clone()))
    }),
    ("head_timeout", |builder, tenant, _| {
        Ok(builder.head_timeout(tenant.head_timeout))
    }),
    ("body_idle_timeout", |builder, tenant, _| {
        let builder = builder.body_idle_timeout(tenant.body_idle_timeout);
        Ok(builder.body_read_timeout(tenant.body_read_timeout))
    }),
    ("max_in_flight", |builder, tenant, _| {
        Ok(match tenant.max_in_flight {
            Some(max) => builder.max_in_flight(max),
            None => builder,
        })
    }),
    ("mount", |builder, tenant, _| {
        Ok(builder.mount(&*tenant.mount))
    }),
];

impl TenantConfig {
    /// The builder of the tenant's service. `random` signs ID tokens if no signing key is
    /// configured; it stays the same when the configuration is read again.
    ///
    /// # Errors
    /// None for a configuration that has been checked.
    pub(crate) fn builder(&self, revocations: Revocations, random: &SigningKey) -> Builder {
        let builder = OmneoId::builder().revocations(revocations);
        let mut steps = STEPS.iter();
        steps.try_fold(builder, |builder, (_, step)| step(builder, self, random))
    }

    /// Builds the service as a dry run, and after an error each step alone, to find the fields with
    /// errors. The field is `None` for an error that only the combination of fields causes.
    pub(super) fn dry_run(&self, random: &SigningKey) -> Vec<(Option<&'static str>, ConfigError)> {
        let Err(error) = self.builder(Revocations::new(), random).and_then(build) else {
            return Vec::new();
        };
        let mut errors = Vec::new();
        for (field, step) in STEPS {
            let built = minimal(random).and_then(|builder| build(step(builder, self, random)?));
            errors.extend(built.err().map(|error| (Some(field), error)));
        }
        if errors.is_empty() {
            errors.push((None, error));
        }
        errors
    }
}

/// A builder with the required settings.
fn minimal(random: &SigningKey) -> Builder {
    let builder = OmneoId::builder().upstream(SANDBOX_ORIGIN)?;
    Ok(builder.api_token("token").signing_key(random.clone()))
}

fn build(builder: OmneoIdBuilder) -> Result<(), ConfigError> {
    builder.build_with_client(()).map(drop)
}

/// The endpoint of the tenant's webhooks, if there is a secret. Each secret is accepted.
fn webhook(tenant: &TenantConfig) -> Result<Option<WebhookEndpoint>, ConfigError> {
    let mut webhook: Option<WebhookEndpoint> = None;
    for secret in &tenant.webhook_secrets {
        let secret = secret.expose();
        webhook = Some(match webhook {
            None => WebhookEndpoint::new(secret)?,
            Some(webhook) => webhook.add_secret(secret)?,
        });
    }
    Ok(webhook)
}

fn comms_policy(tenant: &TenantConfig) -> Result<CommsPolicy, ConfigError> {
    let sign_up = &tenant.sign_up;
    let mut policy = CommsPolicy::new().with_body_limit(sign_up.body_limit);
    for field in &sign_up.consent_fields {
        policy = policy.add_field(field)?;
    }
    if let Some(quantum) = sign_up.uniform_latency {
        policy = policy.with_uniform_latency(quantum)?;
    }
    if sign_up.consent_defaults_on_update {
        policy = policy.with_defaults_on_update();
    }
    Ok(match sign_up.conceal_validation {
        true => policy.conceal_tenant_validation(),
        false => policy,
    })
}
