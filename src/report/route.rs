#[cfg(feature = "client")]
use http::Method;

#[cfg(feature = "client")]
use crate::path::CanonicalPath;

/// The longest id of a location, in bytes. An integer or a UUID is shorter.
#[cfg(feature = "client")]
const MAX_LOCATION_ID: usize = 64;

/// A route of [`OmneoId`](crate::OmneoId).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// `/auth/token`
    Token,
    /// `/auth/revoke`
    Revoke,
    /// `/auth/refresh`
    Refresh,
    /// `/auth/jwks`
    Jwks,
    /// `/profiles/me`
    Me,
    /// Below `/profiles/me`
    MeResource,
    /// `/profiles`
    Profiles,
    /// `/locations`
    Locations,
    /// `/locations/{id}`
    Location,
    /// `/hooks/omneo`
    Webhook,
}

impl Route {
    /// Every route, for example to create one counter for each.
    ///
    /// ```
    /// use omneo_id::report::Route;
    ///
    /// let names: Vec<&str> = Route::all().map(Route::name).collect();
    /// assert!(names.contains(&"me_resource"));
    /// ```
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        [
            Self::Token,
            Self::Revoke,
            Self::Refresh,
            Self::Jwks,
            Self::Me,
            Self::MeResource,
            Self::Profiles,
            Self::Locations,
            Self::Location,
            Self::Webhook,
        ]
        .into_iter()
    }

    /// A stable name for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Revoke => "revoke",
            Self::Refresh => "refresh",
            Self::Jwks => "jwks",
            Self::Me => "me",
            Self::MeResource => "me_resource",
            Self::Profiles => "profiles",
            Self::Locations => "locations",
            Self::Location => "location",
            Self::Webhook => "webhook",
        }
    }

    /// The template of the path below the mount, as in the attribute `http.route`.
    pub const fn template(self) -> &'static str {
        match self {
            Self::Token => "/auth/token",
            Self::Revoke => "/auth/revoke",
            Self::Refresh => "/auth/refresh",
            Self::Jwks => "/auth/jwks",
            Self::Me => "/profiles/me",
            Self::MeResource => "/profiles/me/{*rest}",
            Self::Profiles => "/profiles",
            Self::Locations => "/locations",
            Self::Location => "/locations/{id}",
            Self::Webhook => "/hooks/omneo",
        }
    }
}

#[cfg(feature = "client")]
impl Route {
    /// The route of a path below the mount.
    pub(crate) fn from_path(path: &CanonicalPath<'_>) -> Option<Self> {
        match path.as_str() {
            "/auth/token" => return Some(Self::Token),
            "/auth/revoke" => return Some(Self::Revoke),
            "/auth/refresh" => return Some(Self::Refresh),
            "/auth/jwks" => return Some(Self::Jwks),
            "/profiles" => return Some(Self::Profiles),
            "/locations" => return Some(Self::Locations),
            "/hooks/omneo" => return Some(Self::Webhook),
            _ => {}
        }
        match path.below("/profiles/me") {
            Some("") => return Some(Self::Me),
            Some(_) => return Some(Self::MeResource),
            None => {}
        }
        let location = path.below("/locations")?.strip_prefix('/')?;
        is_location_id(location).then_some(Self::Location)
    }

    /// Whether the me rule applies to this route.
    pub(crate) const fn is_me(self) -> bool {
        matches!(self, Self::Me | Self::MeResource)
    }

    /// The supported methods, as the `Allow` header lists them.
    pub(crate) const fn allow(self) -> &'static str {
        match self {
            Self::Token => "POST, DELETE, OPTIONS",
            Self::Revoke | Self::Refresh | Self::Profiles | Self::Webhook => "POST, OPTIONS",
            Self::Me | Self::MeResource => "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
            Self::Jwks | Self::Locations | Self::Location => "GET, HEAD, OPTIONS",
        }
    }

    /// Whether the route supports this method. `OPTIONS` is handled before.
    pub(crate) fn supports(self, method: &Method) -> bool {
        match self {
            Self::Token => method == Method::POST || method == Method::DELETE,
            Self::Revoke | Self::Refresh | Self::Profiles | Self::Webhook => method == Method::POST,
            // The tenant decides which other methods its resources support.
            Self::Me | Self::MeResource => method != Method::TRACE && method != Method::CONNECT,
            Self::Jwks | Self::Locations | Self::Location => {
                method == Method::GET || method == Method::HEAD
            }
        }
    }
}

#[cfg(feature = "client")]
fn is_location_id(id: &str) -> bool {
    (1..=MAX_LOCATION_ID).contains(&id.len()) && id.bytes().all(is_location_id_byte)
}

#[cfg(feature = "client")]
fn is_location_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[cfg(feature = "client")]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_paths_have_a_route() {
        for (path, expected) in [
            ("/auth/token", Some(Route::Token)),
            ("//auth//token", Some(Route::Token)),
            ("/auth/token/", Some(Route::Token)),
            ("/auth/token/x", None),
            ("/auth/revoke", Some(Route::Revoke)),
            ("//auth/revoke/", Some(Route::Revoke)),
            ("/auth/refresh", Some(Route::Refresh)),
            ("/auth/jwks", Some(Route::Jwks)),
            ("/auth/jwks.json", None),
            ("/auth/Refresh", None),
            ("/auth", None),
            ("/auth/verify", None),
            ("/profiles", Some(Route::Profiles)),
            ("/profiles/", Some(Route::Profiles)),
            ("/profiles/search-id", None),
            ("/profiles/me", Some(Route::Me)),
            ("/profiles/me/", Some(Route::Me)),
            ("/profiles/me/lists/wishlist", Some(Route::MeResource)),
            ("/profiles/meprofile", None),
            ("/profiles/ME", None),
            ("/profiles/m%65", None),
            ("/profiles/connection/7", None),
            ("/locations", Some(Route::Locations)),
            ("/locations/", Some(Route::Locations)),
            ("/locations/12", Some(Route::Location)),
            ("/locations/12/", Some(Route::Location)),
            ("/locations/external_id/12", None),
            ("/locations/%31", None),
            ("/hooks/omneo", Some(Route::Webhook)),
            ("/hooks/omneo/x", None),
            ("/hooks", None),
            ("/rewards", None),
            ("/", None),
        ] {
            let path = CanonicalPath::parse(path).unwrap();
            assert_eq!(Route::from_path(&path), expected, "{}", path.as_str());
        }
    }

    #[test]
    fn all_routes_are_listed_once() {
        let names: std::collections::BTreeSet<_> = Route::all().map(Route::name).collect();
        assert_eq!(names.len(), Route::all().len());
    }
}
