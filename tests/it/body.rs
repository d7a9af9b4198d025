//! Body wrappers: size hint and end of stream are those of the inner body before each frame.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full};
use omneo_id::MeRewriteLayer;
use proptest::prelude::*;
use tower::{Layer, ServiceExt, service_fn};

use omneo_id::Body;

use crate::support::script::Script;

/// The first byte of the API token: the secret scanner buffers it until the next byte decides.
const BYTE: u8 = b'7';

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn body_has_the_size_hint_and_end_of_its_inner_body(script in Script::any(BYTE)) {
        script.check("the script itself", script.clone());
        script.check("Body", Body::new(script.clone()));
        script.check("Body of a Body", Body::new(Body::new(script.clone())));
        type Read = Either<Body, Full<Bytes>>;
        script.check("Body of Either", Body::new(Read::Left(Body::new(script.clone()))));
    }

    #[test]
    fn response_body_has_the_size_hint_and_end_of_its_inner_body(script in Script::any(BYTE)) {
        let inner = script.clone();
        let service = MeRewriteLayer::new().layer(service_fn(move |_: Request<()>| {
            std::future::ready(Ok::<_, Infallible>(Response::new(inner.clone())))
        }));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let response = runtime.block_on(service.oneshot(Request::new(()))).unwrap();
        script.check("ResponseBody", response.into_body());
    }
}

#[cfg(feature = "client")]
mod forwarded {
    use omneo_id::body::IdleTimeout;
    use omneo_id::error::BoxError;
    use omneo_id::tenant::AllowForward;
    use omneo_id::upstream::RequestBody;
    use omneo_id::{ApiToken, Tenant, Upstream};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn runtime() -> tokio::runtime::Runtime {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().build().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn idle_timeout_has_the_size_hint_and_end_of_its_inner_body(script in Script::any(BYTE)) {
            let runtime = runtime();
            let _timer = runtime.enter();
            script.check("IdleTimeout", IdleTimeout::new(script.clone(), LIMIT));
            script.check("RequestBody", RequestBody::new(script.clone()));
        }

        #[test]
        fn forwarded_body_has_the_size_hint_and_end_of_its_inner_body(script in Script::any(BYTE)) {
            let runtime = runtime();
            let _timer = runtime.enter();
            let request_script = script.clone();
            let client = service_fn(move |request: Request<RequestBody>| {
                // A hint of zero bytes is not relied on.
                if request_script.length() > 0 {
                    request_script.check("the request body", request.into_body());
                }
                std::future::ready(Ok::<_, BoxError>(Response::new(request_script.clone())))
            });
            let token = ApiToken::new("7|4fzKq0pLw8sN1vXyT2uR").unwrap();
            let tenant = Tenant::new("https://api.acme.test", token).unwrap();
            let request = Request::put("/x").extension(AllowForward::new());
            let request = request.body(script.clone()).unwrap();
            let response = runtime.block_on(Upstream::new(client, tenant).oneshot(request));
            script.check("the response body", response.unwrap().into_body());
        }
    }
}
