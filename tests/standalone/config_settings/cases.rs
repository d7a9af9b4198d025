//! Every setting with a value other than the default.

use std::time::Duration;

use omneo_id::upstream::Forwarding;

use crate::config::{
    Config, ListenAddress, LogFormat, OnOutage, ServerConfig, StoreKind, TenantConfig,
};
use crate::config_check::certificate_files;
use crate::process::SECRET;
use crate::secret_files::{ED25519, Temporary};

/// The form of a value in the file.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Number,
    Switch,
    List,
}

/// A setting with a value other than the default, and whether a configuration has it.
pub(super) struct Case<'a> {
    pub(super) flag: &'a str,
    pub(super) kind: Kind,
    pub(super) value: &'a str,
    pub(super) applies: Box<dyn Fn(&Config) -> bool + 'a>,
    /// Flags that the setting depends on.
    pub(super) others: &'a [&'a str],
}

impl Case<'_> {
    pub(super) fn flags(&self) -> Vec<String> {
        let flag = format!("--{}", self.flag);
        match self.kind {
            Kind::Switch => vec![flag],
            _ => vec![flag, self.value.to_owned()],
        }
    }

    pub(super) fn variable(&self) -> (String, &str) {
        let name = self.flag.to_uppercase().replace('-', "_");
        (format!("OMNEO_ID_{name}"), self.value)
    }
}

/// The line of a field in the file.
pub(super) fn field(flag: &str, kind: Kind, value: &str) -> String {
    let name = flag.replace('-', "_");
    match kind {
        Kind::Text => format!("{name} = {value:?}\n"),
        Kind::Number | Kind::Switch => format!("{name} = {value}\n"),
        Kind::List => format!("{name} = [{value:?}]\n"),
    }
}

fn server<'a>(
    flag: &'a str,
    kind: Kind,
    value: &'a str,
    applies: impl Fn(&ServerConfig) -> bool + 'a,
) -> Case<'a> {
    Case {
        flag,
        kind,
        value,
        applies: Box::new(move |config| applies(&config.server)),
        others: &[],
    }
}

fn tenant<'a>(
    flag: &'a str,
    kind: Kind,
    value: &'a str,
    applies: impl Fn(&TenantConfig) -> bool + 'a,
) -> Case<'a> {
    Case {
        flag,
        kind,
        value,
        applies: Box::new(move |config| applies(&config.tenants[0])),
        others: &[],
    }
}

/// The files that settings name.
pub(super) struct Files {
    certificate: Temporary,
    key: Temporary,
    pub(super) secret: Temporary,
    pem: Temporary,
    url: Temporary,
    rules: Temporary,
}

impl Files {
    pub(super) fn new(test: &str) -> Self {
        let (certificate, key) = certificate_files(test);
        let file = |name: &str, content: &str| {
            Temporary::new(&format!("{test}-{name}"), content.as_bytes())
        };
        Self {
            certificate,
            key,
            secret: file("secret", &format!("{SECRET}\n")),
            pem: file("pem", ED25519),
            url: file("url", "redis://cache.example\n"),
            rules: file("rules", "# Reads only\n\nallow GET,HEAD /**\n"),
        }
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn server_cases(files: &Files) -> Vec<Case<'_>> {
    use Kind::{List, Number, Switch, Text};
    let (cert, key) = (files.certificate.path(), files.key.path());
    let redis = |server: &ServerConfig| server.revocations.kind() == StoreKind::Redis;
    vec![
        server("listen", List, "unix:/run/id.sock", |server| {
            server.listen == [ListenAddress::Unix("/run/id.sock".into())]
        }),
        Case {
            others: &["tls-key"],
            ..server("tls-cert", Text, cert, move |server| {
                server.tls.as_ref().unwrap().cert.as_os_str() == cert
            })
        },
        Case {
            others: &["tls-cert"],
            ..server("tls-key", Text, key, move |server| {
                server.tls.as_ref().unwrap().key.as_os_str() == key
            })
        },
        server("trusted-proxy", List, "10.0.0.0/8", |server| {
            server.trusted_proxies == ["10.0.0.0/8"]
        }),
        server("trust-forwarded", Switch, "true", |server| {
            server.trust_forwarded
        }),
        server("threads", Number, "3", |server| {
            server.threads.map(usize::from) == Some(3)
        }),
        server("idle-timeout", Text, "7s", |server| {
            server.limits.idle == seconds(7)
        }),
        server("header-timeout", Text, "7s", |server| {
            server.limits.header == seconds(7)
        }),
        server("write-timeout", Text, "7s", |server| {
            server.limits.write == seconds(7)
        }),
        server("drain-delay", Text, "7s", |server| {
            server.limits.drain_delay == seconds(7)
        }),
        server("drain-timeout", Text, "7s", |server| {
            server.limits.drain == seconds(7)
        }),
        server("max-connections", Number, "7", |server| {
            server.limits.connections == 7
        }),
        server("max-in-flight", Number, "7", |server| {
            server.max_in_flight == 7
        }),
        server("connect-timeout", Text, "7s", |server| {
            server.connect_timeout == seconds(7)
        }),
        server("max-connection-age", Text, "7m", |server| {
            server.max_connection_age == seconds(420)
        }),
        server("tenant-ca", Text, cert, move |server| {
            server.tenant_ca[0].path.as_os_str() == cert
                && server.tenant_ca[0].pem == std::fs::read(cert).unwrap()
        }),
        server("revocations", Text, "redis://cache.example", redis),
        server("revocations-file", Text, files.url.path(), redis),
        server("revocations-on-outage", Text, "refuse:7s", |server| {
            server.revocations.on_outage == OnOutage::Refuse { after: seconds(7) }
        }),
        server("log", Text, "omneo_id=debug", |server| {
            server.log_filter().to_string() == "omneo_id=debug"
        }),
        server("log-format", Text, "json", |server| {
            server.log_format == LogFormat::Json
        }),
        server("log-client-address", Switch, "true", |server| {
            server.log_client_address
        }),
        server("metrics-listen", Text, "127.0.0.1:9464", |server| {
            server.metrics_listen.as_deref() == Some("127.0.0.1:9464")
        }),
    ]
}

pub(super) fn tenant_cases(files: &Files) -> Vec<Case<'_>> {
    use Kind::{List, Number, Switch, Text};
    let (secret, pem) = (files.secret.path(), files.pem.path());
    vec![
        tenant("upstream", Text, "https://b.example", |tenant| {
            tenant.upstream.as_deref() == Some("https://b.example")
        }),
        tenant("insecure-upstream", Switch, "true", |tenant| {
            tenant.insecure_upstream
        }),
        tenant("upstream-base", Text, "/api/v4", |tenant| {
            tenant.upstream_base == "/api/v4"
        }),
        tenant("sandbox", Switch, "true", |tenant| {
            tenant.sandbox().is_some()
        }),
        tenant("api-token", Text, "t-1", |tenant| {
            tenant.api_token.expose() == "t-1"
        }),
        tenant("api-token-file", Text, secret, |tenant| {
            tenant.api_token.expose() == SECRET
        }),
        tenant("signing-key", Text, SECRET, |tenant| {
            tenant.keys.signing.as_ref().unwrap().expose() == SECRET.as_bytes()
        }),
        tenant("signing-key-file", Text, pem, |tenant| {
            tenant.keys.are_public()
        }),
        tenant("key-id", Text, "2026-11", |tenant| {
            tenant.keys.key_id.as_deref() == Some("2026-11")
        }),
        tenant("verifying-key-file", List, secret, |tenant| {
            tenant.keys.verifying[0].expose() == SECRET.as_bytes()
        }),
        tenant("issuer", Text, "id", |tenant| {
            tenant.issuer.as_deref() == Some("id")
        }),
        tenant("audience", Text, "shops", |tenant| {
            tenant.audience.as_deref() == Some("shops")
        }),
        tenant("token-ttl", Text, "7m", |tenant| {
            tenant.token_ttl == seconds(420)
        }),
        tenant("leeway", Text, "7s", |tenant| tenant.leeway == seconds(7)),
        tenant("token-cache", Number, "7", |tenant| tenant.token_cache == 7),
        tenant("verify-cache", Text, "7s", |tenant| {
            tenant.verify_cache == Some(seconds(7))
        }),
        tenant("pinned-api-token-file", Text, secret, |tenant| {
            let tokens = tenant.pinned_api_tokens.as_deref().unwrap();
            matches!(tokens, [token] if token.expose() == SECRET)
        }),
        tenant("refresh", Text, "7h", |tenant| {
            tenant.refresh.unwrap().max_age == seconds(7 * 3600)
        }),
        Case {
            others: &["refresh"],
            ..tenant("refresh-rotate", Switch, "true", |tenant| {
                tenant.refresh.unwrap().rotate
            })
        },
        tenant("webhook-secret", Text, SECRET, |tenant| {
            tenant.webhook_secrets[0].expose() == SECRET
        }),
        tenant("webhook-secret-file", Text, secret, |tenant| {
            tenant.webhook_secrets[0].expose() == SECRET
        }),
        tenant("policy", Text, files.rules.path(), |tenant| {
            let policy = tenant.access.as_ref().unwrap().policy().unwrap();
            policy.permits(&http::Method::GET, "/lists")
                && !policy.permits(&http::Method::PUT, "/lists")
        }),
        tenant("uniform-latency", Text, "7s", |tenant| {
            tenant.sign_up.uniform_latency == Some(seconds(7))
        }),
        tenant("conceal-validation", Switch, "true", |tenant| {
            tenant.sign_up.conceal_validation
        }),
        tenant("consent-field", List, "whatsapp_promo", |tenant| {
            tenant.sign_up.consent_fields == ["whatsapp_promo"]
        }),
        tenant("consent-defaults-on-update", Switch, "true", |tenant| {
            tenant.sign_up.consent_defaults_on_update
        }),
        tenant("sign-up-body-limit", Number, "700", |tenant| {
            tenant.sign_up.body_limit == 700
        }),
        tenant("forward-request-header", List, "x-storefront", |tenant| {
            tenant.forward_request_headers == ["x-storefront"]
        }),
        tenant("pass-response-header", List, "set-cookie", |tenant| {
            tenant.pass_response_headers == ["set-cookie"]
        }),
        tenant("drop-response-header", List, "x-internal", |tenant| {
            tenant.drop_response_headers == ["x-internal"]
        }),
        tenant("forwarding", Text, "both", |tenant| {
            tenant.forwarding == Forwarding::both()
        }),
        tenant("via", Switch, "true", |tenant| {
            tenant.forwarding == Forwarding::default().with_via()
        }),
        tenant("head-timeout", Text, "7s", |tenant| {
            tenant.head_timeout == seconds(7)
        }),
        tenant("body-idle-timeout", Text, "7s", |tenant| {
            tenant.body_idle_timeout == seconds(7)
        }),
        tenant("body-read-timeout", Text, "7s", |tenant| {
            tenant.body_read_timeout == seconds(7)
        }),
        tenant("cors-origin", List, "https://shop.example", |tenant| {
            let origin = "https://shop.example".parse().unwrap();
            tenant.cors.as_ref().unwrap().allows(&origin)
        }),
        Case {
            others: &["cors-origin"],
            ..tenant("cors-header", List, "x-shop", |tenant| {
                let headers = &tenant.cors.as_ref().unwrap().headers;
                headers.iter().any(|name| name == "x-shop")
            })
        },
        Case {
            others: &["cors-origin"],
            ..tenant("cors-expose", List, "x-shop", |tenant| {
                let exposed = &tenant.cors.as_ref().unwrap().exposed;
                exposed.iter().any(|name| name == "x-shop")
            })
        },
        tenant("mount", Text, "/id", |tenant| tenant.mount == "/id"),
    ]
}
