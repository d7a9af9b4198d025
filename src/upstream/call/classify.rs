//! Maps an error of the client to the kind of its rejection.

use std::error::Error;
use std::io;

use crate::client::{ClientError, ConnectTimeout};
use crate::rejection::RejectionKind;
use crate::request_body::ClientBodyError;

/// The kind of the rejection for an error and its chain of sources.
///
/// The outermost definite kind wins, then the outermost tentative one.
pub(in crate::upstream) fn rejection_kind(error: &(dyn Error + 'static)) -> RejectionKind {
    let mut tentative = None;
    let mut source = Some(error);
    while let Some(error) = source {
        match classify(error) {
            Some(Class::Definite(kind)) => return kind,
            Some(Class::Tentative(kind)) => tentative = tentative.or(Some(kind)),
            None => {}
        }
        source = error.source();
    }
    // An error of an unknown client: it received no response.
    tentative.unwrap_or(RejectionKind::TenantUnreachable)
}

enum Class {
    /// Independent of the sources of the error.
    Definite(RejectionKind),
    /// Applies unless a source of the error is definite.
    Tentative(RejectionKind),
}

fn classify(error: &(dyn Error + 'static)) -> Option<Class> {
    use Class::{Definite, Tentative};
    use RejectionKind::{BodyAborted, TenantAnswer, TenantTimeout, TenantUnreachable};

    if let Some(error) = error.downcast_ref::<ClientBodyError>() {
        return Some(Definite(error.kind()));
    }
    if error.is::<ConnectTimeout>() || error.is::<tokio::time::error::Elapsed>() {
        return Some(Definite(TenantTimeout));
    }
    if let Some(error) = error.downcast_ref::<ClientError>() {
        return error.is_connect().then_some(Tentative(TenantUnreachable));
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return Some(if error.is_timeout() {
            Definite(TenantTimeout)
        } else if error.is_body_write_aborted() {
            // The body ended before its declared length.
            Definite(BodyAborted)
        } else {
            Tentative(TenantAnswer)
        });
    }
    match error.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::TimedOut => Some(Definite(TenantTimeout)),
        io::ErrorKind::ConnectionRefused => Some(Definite(TenantUnreachable)),
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
    fn a_source_at_any_depth_determines_the_kind() {
        use RejectionKind::*;
        let io = |kind: io::ErrorKind| -> BoxError { Box::new(io::Error::from(kind)) };
        let cases: [(BoxError, RejectionKind); 4] = [
            (io(io::ErrorKind::TimedOut), TenantTimeout),
            (io(io::ErrorKind::ConnectionRefused), TenantUnreachable),
            (io(io::ErrorKind::ConnectionReset), TenantUnreachable),
            ("an error without a type".into(), TenantUnreachable),
        ];
        for (error, expected) in cases {
            let error = Outer(Outer(error).into());
            assert_eq!(rejection_kind(&error), expected, "{error:?}");
        }
    }
}
