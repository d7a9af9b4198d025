//! Two brands in one process: a configuration file with tenants, and their sandboxes on loopback.

use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use omneo_id::sandbox::Sandbox;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::process::{MOUNT, SECRET, Server, send_to};
use crate::temporary::Directory;

pub(crate) const ACME: &str = "api.acme.shop.example";
pub(crate) const BRAND: &str = "api.brand.shop.example";
pub(crate) const SETTINGS: &str = "tenant_by = \"host:api.{tenant}.shop.example\"\n";

/// A sandbox on loopback.
pub(crate) struct Tenant {
    pub(crate) sandbox: Sandbox,
    pub(crate) origin: String,
    api_token: String,
}

impl Tenant {
    pub(crate) async fn start(api_token: &str) -> Self {
        let sandbox = Sandbox::builder().api_token(api_token).build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let service = sandbox.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(service.clone());
                let server = hyper::server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self {
            sandbox,
            origin,
            api_token: api_token.to_owned(),
        }
    }

    /// A `[[tenant]]`. All tenants have the same signing key.
    pub(crate) fn section(&self, key: &str, further: &str) -> String {
        let Self {
            origin, api_token, ..
        } = self;
        format!(
            "[[tenant]]\nkey = {key:?}\nupstream = {origin:?}\napi_token = {api_token:?}\n\
             signing_key = {SECRET:?}\n{further}\n"
        )
    }
}

/// A configuration file that can be replaced.
pub(crate) struct ConfigFile(Directory);

impl ConfigFile {
    pub(crate) fn new(server: &str, tenants: &[String]) -> Self {
        let file = Self(Directory::new());
        file.replace(server, tenants);
        file
    }

    /// Replaces the file at once, as configuration management does.
    pub(crate) fn replace(&self, server: &str, tenants: &[String]) {
        let next = self.0.join("next.toml");
        std::fs::write(&next, format!("[server]\n{server}\n{}", tenants.concat())).unwrap();
        std::fs::rename(next, self.path()).unwrap();
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.join("omneo-id.toml")
    }

    /// Starts a server with this file.
    pub(crate) fn start(&self, flags: &[&str]) -> Server {
        let path = self.path();
        let config = ["--config", path.to_str().unwrap()];
        Server::start(&[&config, flags].concat(), &[])
    }
}

/// A request to a tenant by its host.
pub(crate) async fn send(
    server: &Server,
    host: &str,
    request: Request<Full<Bytes>>,
) -> Response<Bytes> {
    send_to(server.address, with_host(host, request)).await
}

/// The status of a response of a tenant, for a task of its own.
pub(crate) async fn status_of(
    address: SocketAddr,
    host: &str,
    request: Request<Full<Bytes>>,
) -> u16 {
    send_to(address, with_host(host, request))
        .await
        .status()
        .as_u16()
}

fn with_host(host: &str, mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let host = host.parse().unwrap();
    request.headers_mut().insert("host", host);
    request
}

/// Mints at a tenant. The status, and the token of a success.
pub(crate) async fn mint(
    server: &Server,
    host: &str,
    api_token: &str,
    profile: &str,
) -> (u16, String) {
    let request = Request::post(format!("{MOUNT}/auth/token"))
        .header("authorization", format!("Bearer {api_token}"))
        .header("content-type", "application/json")
        .body(Full::from(json!({ "id": profile }).to_string()))
        .unwrap();
    let response = send(server, host, request).await;
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let token = body["data"]["token"].as_str().unwrap_or_default();
    (response.status().as_u16(), token.to_owned())
}
