use ::redis::RedisConnectionInfo;
use ::redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

use crate::error::{ConfigError, ConfigErrorKind};

/// The parts of a `redis://` or `rediss://` URL.
pub(super) struct RedisUrl {
    pub(super) host: String,
    pub(super) port: u16,
    #[cfg(feature = "tls")]
    pub(super) is_tls: bool,
    /// Database and credentials.
    pub(super) settings: RedisConnectionInfo,
}

impl RedisUrl {
    /// Parses a URL. No error contains a part of it, because each part may be a mistyped password.
    pub(super) fn parse(url: &str) -> Result<Self, ConfigError> {
        let (is_tls, rest) = match (url.strip_prefix("redis://"), url.strip_prefix("rediss://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => {
                return Err(invalid(
                    "the URL of Redis begins with redis:// or rediss://",
                ));
            }
        };
        if is_tls && cfg!(not(feature = "tls")) {
            return Err(invalid("a rediss:// URL needs the feature `tls`"));
        }
        // `redis` ignores unknown parameters, so `?ssl=true` would select plaintext. `#insecure`
        // would disable the check of certificates.
        if rest.contains(['?', '#']) {
            return Err(invalid(
                "the URL of Redis has no `?` and no `#`; in a password, they are %3F and %23",
            ));
        }
        // The TLS features of `redis` are disabled, so its parser rejects rediss://.
        let parsed = format!("redis://{rest}").into_connection_info();
        let info: ConnectionInfo = parsed.map_err(|_| {
            invalid("the URL of Redis is redis://[[user]:password@]host[:port][/database]")
        })?;
        let ConnectionAddr::Tcp(host, port) = info.addr() else {
            return Err(invalid("the URL of Redis has no host"));
        };
        let settings = info.redis_settings();
        if settings.username().is_some() && settings.password().is_none() {
            return Err(invalid(
                "the URL of Redis has a user without a password; \
                 a password alone is written as redis://:password@host",
            ));
        }
        Ok(Self {
            host: host.clone(),
            port: *port,
            #[cfg(feature = "tls")]
            is_tls,
            settings: (settings.clone())
                .set_protocol(ProtocolVersion::RESP2)
                .set_skip_set_lib_name(),
        })
    }
}

fn invalid(message: &'static str) -> ConfigError {
    ConfigError::new(ConfigErrorKind::InvalidValue, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_url_are_read() {
        for (url, host, port, is_tls, user, password, database) in [
            ("redis://cache", "cache", 6379, false, None, None, 0),
            ("redis://127.0.0.1:1/", "127.0.0.1", 1, false, None, None, 0),
            ("redis://[::1]:7/3", "::1", 7, false, None, None, 3),
            (
                "redis://:p%40ss%23@c",
                "c",
                6379,
                false,
                None,
                Some("p@ss#"),
                0,
            ),
            ("redis://u:p@c/2", "c", 6379, false, Some("u"), Some("p"), 2),
            #[cfg(feature = "tls")]
            (
                "rediss://u:p@c:6380",
                "c",
                6380,
                true,
                Some("u"),
                Some("p"),
                0,
            ),
        ] {
            let parsed = RedisUrl::parse(url).unwrap();
            assert_eq!((&*parsed.host, parsed.port), (host, port), "{url}");
            #[cfg(feature = "tls")]
            assert_eq!(parsed.is_tls, is_tls, "{url}");
            #[cfg(not(feature = "tls"))]
            assert!(!is_tls);
            let settings = parsed.settings;
            assert_eq!(settings.username(), user, "{url}");
            assert_eq!(settings.password(), password, "{url}");
            assert_eq!(settings.db(), database, "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused_and_not_shown() {
        for url in [
            "",
            "hunter2",
            "cache:6379",
            "http://hunter2@cache",
            "REDIS://cache",
            "unix:///run/hunter2",
            "redis+unix:///run/hunter2",
            "redis://",
            "redis:///2",
            "redis://:hunter2@",
            "redis://hunter2@cache",
            "redis://0.0.0.0",
            "redis://:hunter2@cache:port",
            "redis://:hunter2@cache/database",
            "redis://:hunt#er2@cache",
            "redis://:hunter2@cache?ssl=true",
            "redis://cache?protocol=hunter2",
            "rediss://:hunter2@cache/#insecure",
            "redis://:hunter2%ff@cache",
        ] {
            let Err(error) = RedisUrl::parse(url) else {
                panic!("{url} was accepted");
            };
            assert_eq!(error.kind(), ConfigErrorKind::InvalidValue, "{url}");
            let shown = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
            for secret in ["hunt", "er2"] {
                assert!(!shown.contains(secret), "{url}: {shown}");
            }
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_needs_its_feature() {
        let error = RedisUrl::parse("rediss://cache").err().unwrap();
        assert!(error.to_string().contains("`tls`"), "{error}");
    }
}
