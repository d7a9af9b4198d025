//! How the tenant of a request is found: `tenant_by` and `hosts`.

use http::HeaderName;

use super::checker::Checker;
use super::file::File;
use super::model::ResolverConfig;
use super::setting::Setting;
use super::tenant::TenantConfig;
use super::values;

/// The forms of `tenant_by`.
enum By {
    Host,
    Pattern(String),
    Path,
    Header(String),
}

/// Checks `tenant_by`. By default, requests are resolved by host, unless there is one tenant
/// without hosts.
pub(super) fn resolver(
    checker: &mut Checker<'_>,
    tenant_by: &Option<Setting<String>>,
    file: &File,
    tenants: &[TenantConfig],
    has_trusted_proxies: bool,
) -> ResolverConfig {
    let by = checker.parse("tenant_by", tenant_by, |text| parse(text));
    let has_hosts = tenants.iter().any(|tenant| !tenant.hosts.is_empty());
    let by = match by {
        Some(by) => by,
        None if tenants.len() == 1 && !has_hosts => return ResolverConfig::Single,
        None => By::Host,
    };
    match by {
        By::Host => {
            for (fields, offset) in file.tenants.iter().zip(&file.offsets) {
                if fields.hosts.as_ref().is_none_or(Vec::is_empty) {
                    let position = file.source.position(*offset);
                    let problem = "the tenant needs hosts: requests are resolved by host";
                    checker.errors.push(format!("{position}: {problem}"));
                }
            }
            ResolverConfig::Hosts {
                exact: exact_hosts(tenants),
                pattern: None,
            }
        }
        By::Pattern(pattern) => ResolverConfig::Hosts {
            exact: exact_hosts(tenants),
            pattern: Some(pattern),
        },
        By::Path | By::Header(_) if has_hosts => {
            checker.invalid("tenant_by", "excludes the hosts of tenants");
            ResolverConfig::Single
        }
        By::Path => {
            // `/readyz` is a route of the server.
            if tenants.iter().any(|tenant| tenant.key == "readyz") {
                let problem = "is path, so no tenant can have the key \"readyz\"";
                checker.invalid("tenant_by", problem);
            }
            ResolverConfig::Path
        }
        By::Header(name) => {
            if !has_trusted_proxies {
                checker.invalid(
                    "tenant_by",
                    "is a header, which only a trusted_proxy may set",
                );
            }
            ResolverConfig::Header(name)
        }
    }
}

/// The hosts of all tenants with the keys of their tenants.
fn exact_hosts(tenants: &[TenantConfig]) -> Vec<(String, String)> {
    let mut exact = Vec::new();
    for tenant in tenants {
        let hosts = tenant.hosts.iter().cloned();
        exact.extend(hosts.map(|host| (host, tenant.key.clone())));
    }
    exact
}

fn parse(text: &str) -> Result<By, String> {
    match text.split_once(':') {
        None if text == "host" => Ok(By::Host),
        None if text == "path" => Ok(By::Path),
        Some(("host", pattern)) => values::host_pattern(pattern).map(By::Pattern),
        Some(("header", name)) => match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => Ok(By::Header(name.to_string())),
            Err(_) => Err(format!("{name:?} is not a header name")),
        },
        _ => Err(format!(
            "{text:?} is none of host, host:api.{{tenant}}.shop.example, path and header:X-Tenant"
        )),
    }
}
