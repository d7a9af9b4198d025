//! Faults of a response over HTTP/1.1, byte by byte, with the outcome of the request.

use omneo_id::RejectionKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";

/// The reaction of a tenant after it has sent the bytes of a fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Then {
    Closes,
    Stalls,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    Refused(RejectionKind),
    /// 200, and a body that fails.
    Truncated,
}

/// The bytes that the tenant sends, its reaction, and the outcome of the request.
pub(crate) type Fault = (&'static str, Then, Outcome);

pub(crate) fn faults() -> Vec<Fault> {
    use Outcome::{Refused, Truncated};
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
    // A head alone is forwarded only if its body does not fail at once.
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    faults.push((head, Closes, Refused(TenantAnswer)));
    faults.push((head, Stalls, Truncated));
    for part in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
        CHUNKED,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1",
    ] {
        faults.push((part, Closes, Truncated));
        faults.push((part, Stalls, Truncated));
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

/// Sends the fault as the response to a request that was read.
pub(crate) async fn inject(stream: &mut DuplexStream, (bytes, then, _): Fault) {
    stream.write_all(bytes.as_bytes()).await.unwrap();
    match then {
        Then::Closes => {}
        // Until the client closes the connection.
        Then::Stalls => while stream.read_u8().await.is_ok() {},
    }
}
