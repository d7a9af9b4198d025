//! Secrets: the API token, the signing key and those of webhooks, each as a value or in a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use omneo_id::SigningKey;

use super::arguments::Arguments;

/// Limit for a secret file. An RSA key of 8192 bits in PEM has 6.4 KB.
const MAX_FILE: u64 = 64 * 1024;

/// The API token, if it is set.
pub(super) fn api_token(arguments: &Arguments) -> Result<Option<String>, String> {
    let Some(file) = &arguments.flags.api_token_file else {
        return Ok(arguments.flags.api_token.clone());
    };
    let token = text(file).map_err(arguments.invalid_file("api-token-file"))?;
    Ok(Some(token))
}

/// The secrets that sign webhooks, at least one, and their flag; `None` if it is not set.
pub(super) fn webhook(
    arguments: &Arguments,
) -> Result<Option<(&'static str, Vec<String>)>, String> {
    let flags = &arguments.flags;
    let Some(file) = &flags.webhook_secret_file else {
        let secret = flags.webhook_secret.as_ref();
        return Ok(secret.map(|secret| ("webhook-secret", vec![secret.clone()])));
    };
    let flag = "webhook-secret-file";
    let content = text(file).map_err(arguments.invalid_file(flag))?;
    let lines = content.lines().map(str::trim);
    let secrets = lines.filter(|line| !line.is_empty());
    let secrets: Vec<_> = secrets.map(str::to_owned).collect();
    if secrets.is_empty() {
        return Err(arguments.invalid_file(flag)(format!(
            "{} is empty",
            file.display()
        )));
    }
    Ok(Some((flag, secrets)))
}

/// The signing key, if it is set.
pub(super) fn signing_key(arguments: &Arguments) -> Result<Option<SigningKey>, String> {
    if let Some(secret) = &arguments.flags.signing_key {
        let key = SigningKey::hs256(secret.as_str());
        return key
            .map(Some)
            .map_err(|error| format!("{}: {error}", arguments.name("signing-key")));
    }
    let Some(file) = &arguments.flags.signing_key_file else {
        return Ok(None);
    };
    let key = read(file).and_then(|content| {
        let text = content.trim_ascii();
        let key = if text.starts_with(b"-----BEGIN") {
            SigningKey::from_pem(text)
        } else {
            SigningKey::hs256(text)
        };
        key.map_err(|error| format!("{}: {error}", file.display()))
    });
    key.map(Some)
        .map_err(arguments.invalid_file("signing-key-file"))
}

/// A random key, which exists only in this process.
pub(super) fn random_key() -> Result<SigningKey, String> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)
        .map_err(|error| format!("cannot generate a signing key: {error}"))?;
    SigningKey::hs256(secret).map_err(|error| error.to_string())
}

/// The text of a file, without white space at both ends.
pub(super) fn text(file: &Path) -> Result<String, String> {
    let text = String::from_utf8(read(file)?);
    let text = text.map_err(|_| format!("{} is not UTF-8", file.display()))?;
    Ok(text.trim().to_owned())
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let path = file.display();
    let mut content = Vec::new();
    File::open(file)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut content))
        .map_err(|error| format!("cannot read {path}: {error}"))?;
    if content.len() as u64 > MAX_FILE {
        return Err(format!("{path} is larger than {MAX_FILE} bytes"));
    }
    Ok(content)
}
