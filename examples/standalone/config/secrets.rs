//! Secrets, and the files that contain them.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Limit for a secret file. An RSA key of 8192 bits in PEM has 6.4 KB.
const MAX_FILE: u64 = 64 * 1024;

/// A secret without white space at both ends. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret<T = String>(T);

impl<T> Secret<T> {
    pub(super) fn new(secret: impl Into<T>) -> Self {
        Self(secret.into())
    }

    /// The secret itself.
    pub(crate) fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The secret in a file, a text.
pub(super) fn read(file: &Path) -> Result<Secret, String> {
    let text = read_text(file, MAX_FILE)?;
    Ok(Secret::new(text.trim()))
}

/// The secrets in a file, one per line, at least one.
pub(super) fn read_lines(file: &Path) -> Result<Vec<Secret>, String> {
    let text = read_text(file, MAX_FILE)?;
    let lines = text.lines().map(str::trim);
    let secrets: Vec<_> = lines
        .filter(|line| !line.is_empty())
        .map(Secret::new)
        .collect();
    match secrets.is_empty() {
        true => Err(format!("{} is empty", file.display())),
        false => Ok(secrets),
    }
}

/// The key in a file: a text, or any bytes.
pub(super) fn read_key(file: &Path) -> Result<Secret<Vec<u8>>, String> {
    let content = read_bytes(file, MAX_FILE)?;
    Ok(Secret::new(content.trim_ascii()))
}

/// The text of a file of at most this number of bytes.
pub(super) fn read_text(file: &Path, max: u64) -> Result<String, String> {
    let text = String::from_utf8(read_bytes(file, max)?);
    text.map_err(|_| format!("{} is not UTF-8", file.display()))
}

/// The content of a file of at most this number of bytes.
pub(super) fn read_bytes(file: &Path, max: u64) -> Result<Vec<u8>, String> {
    let path = file.display();
    let mut content = Vec::new();
    File::open(file)
        .and_then(|file| file.take(max + 1).read_to_end(&mut content))
        .map_err(|error| format!("cannot read {path}: {error}"))?;
    if content.len() as u64 > max {
        return Err(format!("{path} is larger than {max} bytes"));
    }
    Ok(content)
}
