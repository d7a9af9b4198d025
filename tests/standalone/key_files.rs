//! Files and texts that are not secrets, as a signing key.

use std::path::Path;

use crate::process::{SECRET, Server, run};

const WORDS: &str = "a secret that is longer than 32 bytes";

const DER: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20\xd4\xee\x72\xdb\xf9\x13\x58\x4a\xd5\xb6\xd8\xf1\xf7\x69\xf8\xad\x3a\xfe\x7c\x28\xcb\xf1\xd4\xfb\xe0\x97\xa8\x8f\x44\x75\x58\x42";

fn rejected(path: &Path) -> String {
    let output = run(
        &["--sandbox", "--signing-key-file", path.to_str().unwrap()],
        &[],
    );
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains(path.to_str().unwrap()), "{stderr}");
    assert_eq!(stderr.trim().lines().count(), 1, "{stderr}");
    stderr
}

#[test]
fn a_der_key_and_a_text_of_several_lines_are_rejected() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    assert!(rejected(&readme).contains("several lines"));
    let path = std::env::temp_dir().join(format!("omneo-id-{}.der", std::process::id()));
    std::fs::write(&path, DER).unwrap();
    let stderr = rejected(&path);
    std::fs::remove_file(path).unwrap();
    assert!(stderr.contains("key file"), "{stderr}");
}

#[test]
fn a_secret_of_readable_words_logs_one_warning() {
    let server = Server::start(&["--sandbox", "--signing-key", WORDS], &[]);
    let ended = server.terminate();
    let warnings = ended.stderr.matches("readable words").count();
    assert_eq!(warnings, 1, "{}", ended.stderr);
    let server = Server::start(&["--sandbox", "--signing-key", SECRET], &[]);
    let ended = server.terminate();
    assert!(!ended.stderr.contains("readable words"), "{}", ended.stderr);
}
