//! What comes of a request over HTTP/1.1, byte by byte.

use omneo_id::RejectionKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";

/// What a tenant does once it has read a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Then {
    Closes,
    Stalls,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    Refused(RejectionKind),
    /// 200, and a body that fails.
    BreaksOff,
}

/// What is sent, what follows it, and what comes of it.
pub(crate) type Fault = (&'static str, Then, Outcome);

pub(crate) fn faults() -> Vec<Fault> {
    use Outcome::{BreaksOff, Refused};
    use RejectionKind::{TenantAnswer, TenantTimeout};
    use Then::{Closes, Stalls};

    let mut faults = Vec::new();
    for part in [
        "",
        "HTTP/1.1 2",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nx: y",
    ] {
        faults.push((part, Closes, Refused(TenantAnswer)));
        faults.push((part, Stalls, Refused(TenantTimeout)));
    }
    // Nothing of an answer has been passed on while there is a head alone, which is passed on
    // unless its body fails at once.
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    faults.push((head, Closes, Refused(TenantAnswer)));
    faults.push((head, Stalls, BreaksOff));
    for part in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
        CHUNKED,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1",
    ] {
        faults.push((part, Closes, BreaksOff));
        faults.push((part, Stalls, BreaksOff));
    }
    for garbage in [
        "\x16\x03\x01\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "<html>\r\n\r\n",
    ] {
        faults.push((garbage, Stalls, Refused(TenantAnswer)));
    }
    let interim = "HTTP/1.1 102 Processing\r\n\r\n";
    faults.push((interim, Closes, Refused(TenantAnswer)));
    faults.push((interim, Stalls, Refused(TenantTimeout)));
    faults
}

/// Answers a request that has been read.
pub(crate) async fn strike(stream: &mut DuplexStream, (bytes, then, _): Fault) {
    stream.write_all(bytes.as_bytes()).await.unwrap();
    match then {
        Then::Closes => {}
        // Until its peer has had enough.
        Then::Stalls => while stream.read_u8().await.is_ok() {},
    }
}
