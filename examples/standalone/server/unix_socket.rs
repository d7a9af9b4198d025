//! Listens on a Unix socket, and removes its file at the end.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Listens on the socket at this path. The file of a server that has ended is replaced.
pub(crate) async fn bind(path: &Path, backlog: u32) -> io::Result<(UnixListener, SocketFile)> {
    let socket = UnixSocket::new_stream()?;
    match socket.bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_stale(path).await => {
            fs::remove_file(path)?;
            socket.bind(path)?;
        }
        bound => bound?,
    }
    let file = SocketFile::new(path)?;
    Ok((socket.listen(backlog)?, file))
}

/// Whether a path is a socket without a listener. A connection to a listener with a full queue
/// fails with another error, as it does not block.
async fn is_stale(path: &Path) -> bool {
    let metadata = fs::symlink_metadata(path);
    metadata.is_ok_and(|file| file.file_type().is_socket())
        && UnixStream::connect(path)
            .await
            .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// The file of a listening socket. Dropping it removes the file, unless another server has
/// replaced it.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: identity(&fs::symlink_metadata(path)?),
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let file = fs::symlink_metadata(&self.path);
        if file.is_ok_and(|file| identity(&file) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}
