//! The gRPC example, called by the client of tonic.

use omneo_id::sandbox::{Sandbox, TestTokens};
use omneo_id::{Keyring, SigningKey};
use tonic::metadata::MetadataValue;
use tonic::transport::Endpoint;
use tonic::{Code, IntoRequest};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::example::Example;

/// The key of the example, which is public.
fn tokens() -> TestTokens {
    let key = SigningKey::hs256("an example key, published in the repository").unwrap();
    TestTokens::new(&Keyring::new(key)).unwrap()
}

#[tokio::test]
async fn a_valid_token_passes_and_missing_invalid_and_expired_ones_are_unauthenticated() {
    let good = tokens().valid(Sandbox::ADA_ID);
    let bad = [
        None,
        Some(tokens().expired(Sandbox::ADA_ID)),
        Some(tokens().foreign(Sandbox::ADA_ID)),
        Some(tokens().unsigned(Sandbox::ADA_ID)),
        Some(tokens().malformed()),
    ];
    for guarded in ["one", "all"] {
        let example = Example::start("tonic", &["127.0.0.1:0", guarded]);
        let endpoint = Endpoint::from_shared(format!("http://{}", example.address)).unwrap();
        let mut client = HealthClient::new(endpoint.connect().await.unwrap());
        let mut send = async |token: Option<&str>| {
            let mut request = HealthCheckRequest::default().into_request();
            if let Some(token) = token {
                let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
                request.metadata_mut().insert("authorization", value);
            }
            client.check(request).await
        };
        let response = send(Some(&good)).await.unwrap();
        assert_eq!(response.get_ref().status(), ServingStatus::Serving);
        for token in &bad {
            let status = send(token.as_deref()).await.unwrap_err();
            assert_eq!(status.code(), Code::Unauthenticated, "{guarded}: {token:?}");
            assert_eq!(status.message(), "Unauthenticated.");
        }
        // The connection is still usable.
        assert!(send(Some(&good)).await.is_ok());
        // The client must notice the end of the server, so this thread must not block.
        let code = tokio::task::spawn_blocking(|| example.terminate()).await;
        assert_eq!(code.unwrap(), Some(0), "{guarded}");
    }
}

/// A call of an unknown service is rejected by the router or by the layer in front of it.
#[tokio::test]
async fn a_call_without_a_token_to_an_unknown_service_is_unimplemented_or_unauthenticated() {
    for (guarded, code) in [("one", Code::Unimplemented), ("all", Code::Unauthenticated)] {
        let example = Example::start("tonic", &["127.0.0.1:0", guarded]);
        let endpoint = Endpoint::from_shared(format!("http://{}", example.address)).unwrap();
        let mut grpc = tonic::client::Grpc::new(endpoint.connect().await.unwrap());
        grpc.ready().await.unwrap();
        let path = "/acme.Elsewhere/Call".parse().unwrap();
        let codec = tonic_prost::ProstCodec::<HealthCheckRequest, HealthCheckRequest>::default();
        let request = HealthCheckRequest::default().into_request();
        let status = grpc.unary(request, path, codec).await.unwrap_err();
        assert_eq!(status.code(), code, "{guarded}: {status:?}");
    }
}
