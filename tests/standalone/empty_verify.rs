//! A tenant whose `auth/verify` responds without a body, as Symfony and Laravel do.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::process::{MOUNT, Server};

#[tokio::test]
async fn an_empty_response_of_auth_verify_makes_the_server_ready() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(async |_: Request<Incoming>| {
                let response =
                    Response::builder().header("content-type", "text/html; charset=UTF-8");
                Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
            });
            let io = TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
        }
    });
    let server = Server::start(&["--upstream", &upstream, "--api-token", "7|secret"], &[]);
    assert_eq!(server.get("/readyz").await.status(), 200);
    let mint = Request::post(format!("{MOUNT}/auth/token"))
        .header("authorization", "Bearer 7|secret")
        .body(Full::from("{}"))
        .unwrap();
    assert_eq!(server.send(mint).await.status(), 200);
}
