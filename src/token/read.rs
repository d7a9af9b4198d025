use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::error::BoxError;
use crate::rejection::{Rejection, RejectionKind};

/// Why a body is not there in one piece.
pub(super) enum Unread {
    TooLong,
    Broken(BodyError),
}

/// A body in one piece, if it is no longer than `limit`.
pub(super) async fn collect<B>(body: B, limit: usize) -> Result<Bytes, Unread>
where
    B: Body<Error: Into<BoxError>>,
{
    // What says beforehand that it is too long is not read at all.
    if body.size_hint().lower() > limit as u64 {
        return Err(Unread::TooLong);
    }
    let error = match Limited::new(body, limit).collect().await {
        Ok(collected) => return Ok(collected.to_bytes()),
        Err(error) => BodyError(error),
    };
    // Ours, or that of a limit which the host has set outside.
    match error.find::<LengthLimitError>() {
        Some(_) => Err(Unread::TooLong),
        None => Err(Unread::Broken(error)),
    }
}

/// The error of a body, whatever its type.
#[derive(Debug)]
pub(super) struct BodyError(BoxError);

impl BodyError {
    /// The rejection that the body broke off with, or one of this kind.
    pub(super) fn into_rejection(self, kind: RejectionKind) -> Rejection {
        match self.find::<Rejection>() {
            Some(rejection) => rejection.clone(),
            None => Rejection::new(kind).because(self),
        }
    }

    fn find<E: Error + 'static>(&self) -> Option<&E> {
        let mut error: Option<&(dyn Error + 'static)> = Some(&*self.0);
        while let Some(current) = error {
            if let Some(found) = current.downcast_ref() {
                return Some(found);
            }
            error = current.source();
        }
        None
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body broke off")
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
