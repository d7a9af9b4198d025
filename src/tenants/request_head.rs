use http::{Extensions, HeaderMap, Method, Request, Uri, Version};

/// The head of a request, by reference.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    method: &'a Method,
    uri: &'a Uri,
    version: Version,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    /// The head of `request`.
    pub fn from_request<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// The method.
    pub fn method(self) -> &'a Method {
        self.method
    }

    /// The target.
    pub fn uri(self) -> &'a Uri {
        self.uri
    }

    /// The version of HTTP.
    pub fn version(self) -> Version {
        self.version
    }

    /// The headers.
    pub fn headers(self) -> &'a HeaderMap {
        self.headers
    }

    /// The extensions.
    pub fn extensions(self) -> &'a Extensions {
        self.extensions
    }
}
