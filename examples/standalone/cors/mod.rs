//! Which pages of other origins may call.

use http::{HeaderValue, Uri};

/// Which pages may call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cors {
    None,
    Any,
    Origins(Vec<HeaderValue>),
}

impl Cors {
    /// Reads what the flag lists.
    pub(crate) fn parse(origins: &[String]) -> Result<Self, String> {
        let origins = origins.iter().map(|origin| origin.trim());
        let origins: Vec<&str> = origins.filter(|origin| !origin.is_empty()).collect();
        match origins.as_slice() {
            [] => Ok(Self::None),
            ["*"] => Ok(Self::Any),
            origins if origins.contains(&"*") => {
                Err("allows any origin with *, so others cannot be listed beside it".to_owned())
            }
            origins => origins
                .iter()
                .map(|origin| browser_origin(origin))
                .collect::<Result<_, _>>()
                .map(Self::Origins),
        }
    }
}

/// An origin as browsers send it: a slash or path at its end would never match.
fn browser_origin(origin: &str) -> Result<HeaderValue, String> {
    let problem = || format!("{origin:?} is no origin like https://shop.example");
    let uri: Uri = origin.parse().map_err(|_| problem())?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    let plain = format!(
        "{}://{}",
        uri.scheme_str().unwrap_or_default(),
        uri.authority().map_or("", |authority| authority.as_str()),
    );
    if !is_web || plain != origin || origin.contains('@') || origin != origin.to_ascii_lowercase() {
        return Err(problem());
    }
    HeaderValue::from_str(origin).map_err(|_| problem())
}
