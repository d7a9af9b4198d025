//! An HTTP/2 tenant that a test controls frame by frame.

use std::sync::{Arc, Mutex};

use omneo_id::client::HttpClientBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, split};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::in_memory::{Client, PAGE, Tenant};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// SETTINGS with this limit of concurrent streams.
pub(super) fn settings(streams: u32) -> Vec<u8> {
    frame(
        SETTINGS,
        0,
        0,
        &[&[0, 3], &streams.to_be_bytes()[..]].concat(),
    )
}

/// `:status: 200`; a body follows.
pub(super) fn head(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &[0x88])
}

pub(super) fn data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, 0, stream, bytes)
}

pub(super) fn end(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, bytes)
}

/// `:status: 204`.
pub(super) fn no_content(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &[0x89])
}

pub(super) fn refused(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &[0, 0, 0, 7])
}

/// A graceful GOAWAY: the requests after stream `last` were not processed.
pub(super) fn goaway(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[&last.to_be_bytes()[..], &[0; 4]].concat())
}

/// The requests of all connections, and a writer to each connection.
#[derive(Clone, Default)]
pub(super) struct Script {
    connections: Arc<Mutex<Vec<UnboundedSender<Vec<u8>>>>>,
    seen: Arc<Mutex<Vec<(usize, u32)>>>,
}

impl Script {
    /// A client of this tenant. The tenant begins connection `n` with the bytes `first(n)`.
    pub(super) fn client(
        &self,
        tenant: &Tenant,
        builder: HttpClientBuilder,
        first: impl Fn(usize) -> Vec<u8> + Clone + Send + Sync + 'static,
    ) -> Client {
        let script = self.clone();
        tenant.client(builder, PAGE, move |stream| {
            script.clone().serve(stream, first.clone())
        })
    }

    /// The connections and streams of the requests, in the order of their arrival.
    pub(super) fn seen(&self) -> Vec<(usize, u32)> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) async fn until_seen(&self, requests: usize) {
        for _ in 0..10_000 {
            if self.seen.lock().unwrap().len() >= requests {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{requests} requests: {:?}", self.seen());
    }

    pub(super) fn write(&self, connection: usize, bytes: impl IntoIterator<Item = u8>) {
        let connections = self.connections.lock().unwrap();
        let _ = connections[connection].send(bytes.into_iter().collect());
    }

    pub(super) async fn serve(self, stream: DuplexStream, first: impl Fn(usize) -> Vec<u8>) {
        let (mut read, mut write) = split(stream);
        let (writer, mut writes) = unbounded_channel::<Vec<u8>>();
        let number = {
            let mut connections = self.connections.lock().unwrap();
            connections.push(writer.clone());
            connections.len() - 1
        };
        let _ = writer.send(first(number));
        let writing = async {
            while let Some(bytes) = writes.recv().await {
                if write.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        };
        let reading = async {
            let mut preface = [0; 24];
            read.read_exact(&mut preface).await?;
            loop {
                let mut head = [0; 9];
                read.read_exact(&mut head).await?;
                let [l2, l1, l0, kind, flags, id @ ..] = head;
                let length = u32::from_be_bytes([0, l2, l1, l0]);
                let mut payload = vec![0; usize::try_from(length).unwrap()];
                read.read_exact(&mut payload).await?;
                let reply = match kind {
                    SETTINGS if flags & ACK == 0 => frame(SETTINGS, ACK, 0, &[]),
                    PING if flags & ACK == 0 => frame(PING, ACK, 0, &payload),
                    HEADERS => {
                        let stream = u32::from_be_bytes(id);
                        self.seen.lock().unwrap().push((number, stream));
                        continue;
                    }
                    _ => continue,
                };
                let _ = writer.send(reply);
            }
        };
        let reading = async {
            let _: std::io::Result<()> = reading.await;
        };
        tokio::select! {
            () = writing => {}
            () = reading => {}
        }
    }
}
