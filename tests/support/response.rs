//! Collected responses, and the headers that most requests need.

use std::fmt::Debug;

use bytes::Bytes;
use http::request::Builder;
use http::{HeaderMap, Response, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt;
use omneo_id::{Rejection, RejectionKind};
use serde_json::Value;

/// A response with its whole body.
#[derive(Debug)]
pub(crate) struct CollectedResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The rejection, if the crate itself built the response.
    pub(crate) rejection: Option<RejectionKind>,
}

impl CollectedResponse {
    /// Collects the body of `response`, which must not fail.
    pub(crate) async fn collect<B>(response: Response<B>) -> Self
    where
        B: Body<Data = Bytes, Error: Debug>,
    {
        Self::try_collect(response).await.unwrap()
    }

    /// Collects the body of `response`.
    ///
    /// # Errors
    ///
    /// The error of the body.
    pub(crate) async fn try_collect<B>(response: Response<B>) -> Result<Self, B::Error>
    where
        B: Body<Data = Bytes>,
    {
        let (parts, body) = response.into_parts();
        Ok(Self {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await?.to_bytes(),
            rejection: parts.extensions.get().map(Rejection::kind),
        })
    }

    /// The body, which must be JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The member `data` of the JSON body.
    pub(crate) fn data(&self) -> Value {
        self.json()["data"].take()
    }

    /// The value of one member in each item of `data`.
    pub(crate) fn each(&self, member: &str) -> Vec<Value> {
        let data = self.data();
        let items = data.as_array().expect("a list").iter();
        items.map(|item| item[member].clone()).collect()
    }

    /// The value of a header, which must be text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("a header of text")
    }

    /// Asserts the status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

/// Collects the body of `response` as text.
pub(crate) async fn collect_text<B>(response: Response<B>) -> Response<String>
where
    B: Body<Error: Debug>,
{
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap())
}

/// The value of an `Authorization` header with this token.
pub(crate) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// Adds a bearer token, and declares a JSON body.
pub(crate) fn json_request(request: Builder, token: &str) -> Builder {
    request
        .header(header::AUTHORIZATION, bearer(token))
        .header(header::CONTENT_TYPE, "application/json")
}
