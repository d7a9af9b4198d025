//! A tenant on loopback that delays some responses.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::process::Server;

pub(crate) struct SlowTenant {
    pub(crate) address: SocketAddr,
    /// Notified by each request to `/locations`.
    pub(crate) requested: Arc<Notify>,
    /// Permits a response to `/locations`.
    pub(crate) respond: Arc<Notify>,
    /// The headers of each request.
    pub(crate) seen: Arc<Mutex<Vec<HeaderMap>>>,
}

impl SlowTenant {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tenant = Self {
            address: listener.local_addr().unwrap(),
            requested: Arc::default(),
            respond: Arc::default(),
            seen: Arc::default(),
        };
        let (requested, respond) = (Arc::clone(&tenant.requested), Arc::clone(&tenant.respond));
        let seen = Arc::clone(&tenant.seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (requested, respond) = (Arc::clone(&requested), Arc::clone(&respond));
                let seen = Arc::clone(&seen);
                let service = service_fn(move |request: Request<Incoming>| {
                    let (requested, respond) = (Arc::clone(&requested), Arc::clone(&respond));
                    seen.lock().unwrap().push(request.headers().clone());
                    async move {
                        if request.uri().path().ends_with("/locations") {
                            requested.notify_one();
                            respond.notified().await;
                        }
                        let body = Full::<Bytes>::from(r#"{"data":[]}"#);
                        let response =
                            Response::builder().header("content-type", "application/json");
                        Ok::<_, Infallible>(response.body(body).unwrap())
                    }
                });
                let io = TokioIo::new(stream);
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(io, service),
                );
            }
        });
        tenant
    }

    /// Starts a server in front of this tenant.
    pub(crate) fn server(&self, flags: &[&str]) -> Server {
        let origin = self.origin();
        let tenant = ["--upstream", &origin, "--api-token", "t"];
        Server::start(&[&tenant, flags].concat(), &[])
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}
