//! The auth layer in front of gRPC services: client and server of tonic, over a socket.

use std::pin::Pin;
use std::time::Duration;

use omneo_id::auth::AuthMode;
use omneo_id::sandbox::{Sandbox, TestTokens};
use omneo_id::{JwtAuthLayer, Keyring, SigningKey, Subject, TokenVerifier};
use tokio::net::TcpListener;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::{self, Stream, StreamExt};
use tonic::metadata::MetadataValue;
use tonic::service::LayerExt;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, IntoRequest, IntoStreamingRequest, Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_prost::ProstCodec;

use crate::support::SECRET;

/// Responds with `Serving` if the requested service name is the id of the request's subject.
struct WhoAmI;

fn judge(request: &Request<HealthCheckRequest>) -> HealthCheckResponse {
    // The layer removes the credential.
    assert!(!request.metadata().contains_key("authorization"));
    let subject = Subject::from_extensions(request.extensions()).map(Subject::as_pid);
    let status = match subject == Some(&request.get_ref().service) {
        true => ServingStatus::Serving,
        false => ServingStatus::NotServing,
    };
    HealthCheckResponse {
        status: status as i32,
    }
}

#[tonic::async_trait]
impl Health for WhoAmI {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(judge(&request)))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let response = judge(&request);
        let stream =
            tokio_stream::iter([Ok(response), Ok(response), Err(Status::aborted("enough"))]);
        Ok(Response::new(Box::pin(stream)))
    }
}

fn ring() -> Keyring {
    Keyring::new(SigningKey::hs256(SECRET).unwrap())
}

fn layer() -> JwtAuthLayer {
    JwtAuthLayer::new(TokenVerifier::new(ring()))
}

fn tokens() -> TestTokens {
    TestTokens::new(&ring()).unwrap()
}

async fn listen() -> (TcpIncoming, Channel) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    // A call that hangs fails the test.
    let endpoint = endpoint.timeout(Duration::from_secs(20));
    (TcpIncoming::from(listener), endpoint.connect_lazy())
}

/// A server with the layer in front of all services.
async fn guarded_server(layer: JwtAuthLayer) -> Channel {
    let (incoming, channel) = listen().await;
    let server = Server::builder().layer(layer);
    let server = { server }.add_service(HealthServer::new(WhoAmI));
    tokio::spawn(server.serve_with_incoming(incoming));
    channel
}

/// A server with the layer in front of one service.
async fn guarded_service(layer: JwtAuthLayer) -> Channel {
    let (incoming, channel) = listen().await;
    let service = layer.named_layer(HealthServer::new(WhoAmI));
    let server = Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(incoming));
    channel
}

/// A request of a profile for itself, with this credential.
fn health_request(token: Option<&str>, service: &str) -> Request<HealthCheckRequest> {
    let service = service.to_owned();
    with_token(HealthCheckRequest { service }.into_request(), token)
}

fn with_token<T>(mut request: Request<T>, token: Option<&str>) -> Request<T> {
    if let Some(token) = token {
        let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    request
}

/// No token, and every kind of invalid token.
fn invalid_tokens() -> Vec<Option<String>> {
    let tokens = tokens();
    let bad = [
        tokens.expired(Sandbox::ADA_ID),
        tokens.not_yet_valid(Sandbox::ADA_ID),
        tokens.foreign(Sandbox::ADA_ID),
        tokens.unsigned(Sandbox::ADA_ID),
        tokens.malformed(),
    ];
    std::iter::once(None)
        .chain(bad.into_iter().map(Some))
        .collect()
}

/// A rejected call has a status with a message, and the connection stays open. An error of the
/// transport would have a source.
fn assert_refused(status: &Status) {
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    assert_eq!(status.message(), "Unauthenticated.");
    assert!(status.details().is_empty());
    assert!(std::error::Error::source(status).is_none(), "{status:?}");
}

#[tokio::test]
async fn a_valid_token_passes_and_the_handler_sees_its_subject() {
    for channel in [
        guarded_server(layer()).await,
        guarded_service(layer()).await,
    ] {
        let mut client = HealthClient::new(channel);
        for (token, pid) in [
            (tokens().valid(Sandbox::ADA_ID), Sandbox::ADA_ID),
            (tokens().valid(Sandbox::GRACE_ID), Sandbox::GRACE_ID),
            (tokens().anonymous(), "null"),
        ] {
            let response = client
                .check(health_request(Some(&token), pid))
                .await
                .unwrap();
            assert_eq!(response.get_ref().status(), serving());
            let response = client
                .check(health_request(Some(&token), "other"))
                .await
                .unwrap();
            assert_ne!(response.get_ref().status(), serving());
        }
    }
}

fn serving() -> tonic_health::pb::health_check_response::ServingStatus {
    tonic_health::pb::health_check_response::ServingStatus::Serving
}

#[tokio::test]
async fn a_missing_or_invalid_token_is_unauthenticated() {
    for channel in [
        guarded_server(layer()).await,
        guarded_service(layer()).await,
    ] {
        let mut client = HealthClient::new(channel);
        for token in invalid_tokens() {
            let refused = client
                .check(health_request(token.as_deref(), Sandbox::ADA_ID))
                .await;
            assert_refused(&refused.unwrap_err());
        }
        // The connection is still usable.
        let good = tokens().valid(Sandbox::ADA_ID);
        let response = client
            .check(health_request(Some(&good), Sandbox::ADA_ID))
            .await;
        assert_eq!(response.unwrap().get_ref().status(), serving());
    }
}

#[tokio::test]
async fn two_credentials_are_rejected_over_grpc_too() {
    let mut client = HealthClient::new(guarded_server(layer()).await);
    let good = tokens().valid(Sandbox::ADA_ID);
    let mut request = health_request(Some(&good), Sandbox::ADA_ID);
    let again = MetadataValue::try_from(format!("Bearer {good}")).unwrap();
    request.metadata_mut().append("authorization", again);
    let status = client.check(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
}

#[tokio::test]
async fn a_server_stream_is_rejected_before_it_starts_or_forwarded_completely() {
    let mut client = HealthClient::new(guarded_server(layer()).await);
    for token in invalid_tokens() {
        let refused = client
            .watch(health_request(token.as_deref(), Sandbox::ADA_ID))
            .await;
        assert_refused(&refused.unwrap_err());
    }
    let good = tokens().valid(Sandbox::ADA_ID);
    let response = client
        .watch(health_request(Some(&good), Sandbox::ADA_ID))
        .await;
    let mut stream = response.unwrap().into_inner();
    for _ in 0..2 {
        let message = stream.next().await.unwrap().unwrap();
        assert_eq!(message.status(), serving());
    }
    // The status of the service, in its trailers.
    let end = stream.next().await.unwrap().unwrap_err();
    assert_eq!((end.code(), end.message()), (Code::Aborted, "enough"));
    assert!(stream.next().await.is_none());
}

type Codec = ProstCodec<HealthCheckRequest, HealthCheckResponse>;

const CHECK: PathAndQuery = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
const WATCH: PathAndQuery = PathAndQuery::from_static("/grpc.health.v1.Health/Watch");

/// One message, as a stream of requests.
fn stream(token: Option<&str>) -> Request<impl Stream<Item = HealthCheckRequest> + Send + use<>> {
    let service = Sandbox::ADA_ID.to_owned();
    let messages = tokio_stream::once(HealthCheckRequest { service });
    with_token(messages.into_streaming_request(), token)
}

/// One message, and then a stream that stays pending.
fn endless(token: Option<&str>) -> Request<impl Stream<Item = HealthCheckRequest> + Send + use<>> {
    stream(token).map(|messages| messages.chain(tokio_stream::pending()))
}

#[tokio::test]
async fn a_client_stream_is_rejected_before_its_end() {
    let mut client = Grpc::new(guarded_server(layer()).await);
    for token in invalid_tokens() {
        client.ready().await.unwrap();
        let request = endless(token.as_deref());
        let refused = client.client_streaming(request, CHECK, Codec::default());
        assert_refused(&refused.await.unwrap_err());
    }
    client.ready().await.unwrap();
    let good = tokens().valid(Sandbox::ADA_ID);
    let response = client.client_streaming(stream(Some(&good)), CHECK, Codec::default());
    assert_eq!(response.await.unwrap().get_ref().status(), serving());
}

#[tokio::test]
async fn bidirectional_streams_are_rejected_before_their_end() {
    let mut client = Grpc::new(guarded_service(layer()).await);
    for token in invalid_tokens() {
        client.ready().await.unwrap();
        let request = endless(token.as_deref());
        let refused = client.streaming(request, WATCH, Codec::default());
        assert_refused(&refused.await.unwrap_err());
    }
    client.ready().await.unwrap();
    let good = tokens().valid(Sandbox::ADA_ID);
    let response = client.streaming(stream(Some(&good)), WATCH, Codec::default());
    let mut responses = response.await.unwrap().into_inner();
    assert_eq!(responses.next().await.unwrap().unwrap().status(), serving());
}

#[tokio::test]
async fn an_optional_token_may_be_missing_but_not_invalid() {
    let layer = layer().with_mode(AuthMode::Optional);
    let mut client = HealthClient::new(guarded_server(layer).await);
    let response = client
        .check(health_request(None, Sandbox::ADA_ID))
        .await
        .unwrap();
    assert_ne!(response.get_ref().status(), serving());
    let bad = tokens().expired(Sandbox::ADA_ID);
    let refused = client
        .check(health_request(Some(&bad), Sandbox::ADA_ID))
        .await;
    assert_refused(&refused.unwrap_err());
}
