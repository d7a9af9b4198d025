//! A tenant on loopback that reports the framing of each request.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::tenants::{connections, read_head};

/// The framing of a request as the tenant received it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Framing {
    Absent,
    Length(usize),
    Chunked,
}

/// A request as the tenant received it: method, framing, and the length of its body.
pub(crate) type Received = (String, Framing, usize);

/// A raw TCP tenant that reports each request that it receives.
pub(crate) async fn tenant() -> (String, mpsc::UnboundedReceiver<Received>) {
    let (requests, received) = mpsc::unbounded_channel();
    let origin = connections(move |stream| serve(stream, requests.clone())).await;
    (origin, received)
}

async fn serve(mut stream: TcpStream, requests: mpsc::UnboundedSender<Received>) {
    while let Some((head, request)) = receive(&mut stream).await {
        let _ = requests.send(request);
        let body = match &*head {
            head if head.contains("/search-id ") => r#"{"data":{"id":"ada-1"}}"#,
            head if head.contains("/profiles?filter") => r#"{"data":[]}"#,
            _ => "{}",
        };
        let media = "content-type: application/json";
        let length = body.len();
        let response =
            format!("HTTP/1.1 200 OK\r\n{media}\r\ncontent-length: {length}\r\n\r\n{body}");
        if stream.write_all(response.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads a request, and returns its head as well.
async fn receive(stream: &mut TcpStream) -> Option<(String, Received)> {
    let head = read_head(stream).await?;
    let lower = head.to_ascii_lowercase();
    let field = |name: &str| {
        let mut lines = lower.lines().filter_map(|line| line.strip_prefix(name));
        let value = lines.next().map(|value| value.trim().to_owned());
        assert_eq!(lines.next(), None, "{head}");
        value
    };
    let framing = match (field("content-length:"), field("transfer-encoding:")) {
        (None, None) => Framing::Absent,
        (Some(length), None) => Framing::Length(length.parse().unwrap()),
        (None, Some(coding)) if coding == "chunked" => Framing::Chunked,
        both => panic!("{both:?}"),
    };
    let mut body = Vec::new();
    match framing {
        Framing::Absent => {}
        Framing::Length(length) => {
            body.resize(length, 0);
            stream.read_exact(&mut body).await.ok()?;
        }
        Framing::Chunked => loop {
            let mut size = String::new();
            while !size.ends_with("\r\n") {
                size.push(stream.read_u8().await.ok()?.into());
            }
            let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).await.ok()?;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                break;
            }
        },
    }
    let method = head.split(' ').next().unwrap().to_owned();
    Some((head, (method, framing, body.len())))
}

/// The requests that have been reported so far.
pub(crate) fn drained(received: &mut mpsc::UnboundedReceiver<Received>) -> Vec<Received> {
    std::iter::from_fn(|| received.try_recv().ok()).collect()
}
