/// In the extensions of a request: the request only reads, regardless of its method, so that the
/// client may send it twice.
///
/// The crate's own look-ups by `POST` carry it. The forwarding service removes it from requests of
/// clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replayable;
