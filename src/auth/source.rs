//! The locations of the token in a request: the `Authorization` header, a cookie, a query
//! parameter.

use http::header::{AUTHORIZATION, COOKIE, Entry};
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderValue};

use crate::headers::{Bearer, CredentialsError};

/// The opt-in locations besides the `Authorization` header.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    pub(super) cookie: Option<Box<str>>,
    pub(super) query: Option<Box<str>>,
}

impl Sources {
    /// The token of a request, from all locations. Its bytes are not validated: the verifier
    /// compares or decodes each. Two tokens that differ are an error.
    pub(super) fn find<'a>(
        &self,
        headers: &'a HeaderMap,
        uri: &'a Uri,
    ) -> Result<Option<&'a [u8]>, CredentialsError> {
        let mut found = Bearer::unvalidated(headers)?;
        if self.cookie.is_none() && self.query.is_none() {
            return Ok(found);
        }
        let cookies = (self.cookie.iter()).flat_map(|name| cookies(headers, name));
        let parameters = (self.query.iter()).flat_map(|name| parameters(uri, name));
        for token in cookies.chain(parameters) {
            match found {
                Some(other) if other != token => return Err(CredentialsError::Ambiguous),
                _ => found = Some(token),
            }
        }
        Ok(found)
    }

    /// Removes the token from the headers, so that it is not forwarded.
    pub(super) fn remove_from_headers(&self, headers: &mut HeaderMap) {
        headers.remove(AUTHORIZATION);
        if let Some(name) = &self.cookie {
            remove_cookie(headers, name);
        }
    }

    /// The request's target without the token. `None` if the target has no token.
    pub(super) fn without_parameter(&self, uri: &Uri) -> Option<Uri> {
        let name = self.query.as_deref()?;
        parameters(uri, name).next()?;
        let mut target = uri.path().to_owned();
        let mut separator = '?';
        for pair in pairs(uri).filter(|pair| value_of(pair.as_bytes(), name).is_none()) {
            target.push(separator);
            target.push_str(pair);
            separator = '&';
        }
        let mut parts = uri.clone().into_parts();
        // Part of a valid target is valid, so this does not fail; `/` is the fallback.
        parts.path_and_query =
            Some(PathAndQuery::try_from(target).unwrap_or_else(|_| PathAndQuery::from_static("/")));
        Uri::from_parts(parts).ok()
    }
}

/// The values of a cookie, in all `Cookie` headers (HTTP/2 may send several).
fn cookies<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b';'))
        .filter_map(move |pair| value_of(pair.trim_ascii(), name))
}

/// The values of a query parameter, without percent-decoding: a token needs none.
fn parameters<'a>(uri: &'a Uri, name: &str) -> impl Iterator<Item = &'a [u8]> {
    pairs(uri).filter_map(move |pair| value_of(pair.as_bytes(), name))
}

fn pairs(uri: &Uri) -> impl Iterator<Item = &str> {
    uri.query().into_iter().flat_map(|query| query.split('&'))
}

fn value_of<'a>(pair: &'a [u8], name: &str) -> Option<&'a [u8]> {
    pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

fn remove_cookie(headers: &mut HeaderMap, name: &str) {
    let Entry::Occupied(mut entry) = headers.entry(COOKIE) else {
        return;
    };
    let mut left = Vec::new();
    for value in entry.iter() {
        let pairs = value.as_bytes().split(|&byte| byte == b';');
        let is_other = |pair: &&[u8]| value_of(pair.trim_ascii(), name).is_none();
        let kept: Vec<&[u8]> = pairs.filter(is_other).collect();
        left.push(kept.join(&b';').trim_ascii().to_vec());
    }
    let mut left = left
        .into_iter()
        .filter(|value| !value.is_empty())
        .filter_map(|value| HeaderValue::from_bytes(&value).ok())
        .map(|mut value| {
            value.set_sensitive(true);
            value
        });
    match left.next() {
        Some(first) => drop(entry.insert_mult(first)),
        None => drop(entry.remove_entry_mult()),
    }
    for value in left {
        headers.append(COOKIE, value);
    }
}
