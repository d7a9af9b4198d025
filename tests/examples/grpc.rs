//! The gRPC example, called by tonic's own client.

use omneo_id::keys::{Keyring, SigningKey};
use omneo_id::sandbox::{Sandbox, TestTokens};
use tonic::metadata::MetadataValue;
use tonic::transport::Endpoint;
use tonic::{Code, IntoRequest};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::example::Example;

/// The example's key, which everybody can read.
fn tokens() -> TestTokens {
    let key = SigningKey::hs256("not a secret: everybody can read this").unwrap();
    TestTokens::new(&Keyring::new(key)).unwrap()
}

#[tokio::test]
async fn a_good_token_is_served_and_none_bad_and_expired_ones_are_unauthenticated() {
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
        let mut ask = async |token: Option<&str>| {
            let mut request = HealthCheckRequest::default().into_request();
            if let Some(token) = token {
                let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
                request.metadata_mut().insert("authorization", value);
            }
            client.check(request).await
        };
        let answer = ask(Some(&good)).await.unwrap();
        assert_eq!(answer.get_ref().status(), ServingStatus::Serving);
        for token in &bad {
            let status = ask(token.as_deref()).await.unwrap_err();
            assert_eq!(status.code(), Code::Unauthenticated, "{guarded}: {token:?}");
            assert_eq!(status.message(), "Unauthenticated.");
        }
        // The connection has not suffered.
        assert!(ask(Some(&good)).await.is_ok());
        // The client has to see the server go, so this thread stays free for it.
        let code = tokio::task::spawn_blocking(|| example.terminate()).await;
        assert_eq!(code.unwrap(), Some(0), "{guarded}");
    }
}

/// Which of the two says no to a call that nothing answers.
#[tokio::test]
async fn a_service_that_is_not_guarded_is_unknown_to_strangers_or_closed_to_them() {
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
