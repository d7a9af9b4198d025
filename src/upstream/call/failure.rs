//! Which row of the answer table a client's error belongs to.

use std::error::Error;
use std::io;

use crate::client::{ClientError, ConnectTimeout};
use crate::rejection::RejectionKind;
use crate::request_body::ClientBodyError;

/// Walks from the error to its innermost cause; the most telling one decides.
pub(in crate::upstream) fn kind(error: &(dyn Error + 'static)) -> RejectionKind {
    let mut kind = None;
    let mut cause = Some(error);
    while let Some(error) = cause {
        match judge(error) {
            Some(Verdict::Final(kind)) => return kind,
            Some(Verdict::Unless(found)) => kind = kind.or(Some(found)),
            None => {}
        }
        cause = error.source();
    }
    // An unknown client that says nothing more: it had no answer to give.
    kind.unwrap_or(RejectionKind::TenantUnreachable)
}

enum Verdict {
    /// Whatever lies beneath.
    Final(RejectionKind),
    /// Unless something beneath says better.
    Unless(RejectionKind),
}

fn judge(error: &(dyn Error + 'static)) -> Option<Verdict> {
    use RejectionKind::{BodyAborted, TenantAnswer, TenantTimeout, TenantUnreachable};

    if let Some(error) = error.downcast_ref::<ClientBodyError>() {
        return Some(Verdict::Final(error.kind()));
    }
    if error.is::<ConnectTimeout>() || error.is::<tokio::time::error::Elapsed>() {
        return Some(Verdict::Final(TenantTimeout));
    }
    if let Some(error) = error.downcast_ref::<ClientError>() {
        return error
            .is_connect()
            .then_some(Verdict::Unless(TenantUnreachable));
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return Some(if error.is_timeout() {
            Verdict::Final(TenantTimeout)
        } else if error.is_body_write_aborted() {
            // The body ended before the length that its client declared.
            Verdict::Final(BodyAborted)
        } else {
            Verdict::Unless(TenantAnswer)
        });
    }
    match error.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::TimedOut => Some(Verdict::Final(TenantTimeout)),
        io::ErrorKind::ConnectionRefused => Some(Verdict::Final(TenantUnreachable)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::BoxError;
    use std::fmt;

    #[derive(Debug)]
    struct Outer(BoxError);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&*self.0)
        }
    }

    #[test]
    fn the_cause_decides_however_deep_it_lies() {
        use RejectionKind::*;
        let io = |kind: io::ErrorKind| -> BoxError { Box::new(io::Error::from(kind)) };
        let cases: [(BoxError, RejectionKind); 4] = [
            (io(io::ErrorKind::TimedOut), TenantTimeout),
            (io(io::ErrorKind::ConnectionRefused), TenantUnreachable),
            (io(io::ErrorKind::ConnectionReset), TenantUnreachable),
            ("no words".into(), TenantUnreachable),
        ];
        for (error, expected) in cases {
            let error = Outer(Outer(error).into());
            assert_eq!(kind(&error), expected, "{error:?}");
        }
    }
}
