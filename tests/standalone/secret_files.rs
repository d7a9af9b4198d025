//! Secrets in files.

use std::io::Write;
use std::path::PathBuf;

use crate::process::{SECRET, Server, get_as};
use crate::variables::{TENANT, problem};

/// The Ed25519 key of RFC 8410, section 10.3.
pub(crate) const ED25519: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    -----END PRIVATE KEY-----\n";

/// A file that is removed when this is dropped.
pub(crate) struct Temporary(PathBuf);

impl Temporary {
    pub(crate) fn new(name: &str, content: &[u8]) -> Self {
        let name = format!("omneo-id-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(content).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_token_file_must_be_one_line_of_text() {
    for (content, hint) in [
        (&b""[..], "one or more"),
        (b"two words", ""),
        (b"one\ntwo", ""),
        (b"\xff\xfe", "UTF-8"),
        (&[b'a'; 70_000], "larger"),
    ] {
        let file = Temporary::new(&format!("token-{}", content.len()), content);
        let variables = [TENANT[0], ("OMNEO_ID_API_TOKEN_FILE", file.path())];
        let problem = problem(&[], &variables);
        assert!(problem.starts_with("OMNEO_ID_API_TOKEN_FILE"), "{problem}");
        assert!(problem.contains(hint), "{problem}");
        assert!(!problem.contains("two"), "{problem}");
    }
    let variables = [TENANT[0], ("OMNEO_ID_API_TOKEN_FILE", "/no/such/file")];
    assert!(problem(&[], &variables).contains("cannot read /no/such/file"));
}

#[tokio::test]
async fn a_key_file_may_hold_pem_or_a_secret() {
    for (content, algorithm) in [(ED25519, "EdDSA"), (&format!("{SECRET}\n"), "HS256")] {
        let file = Temporary::new(&format!("key-{algorithm}"), content.as_bytes());
        let server = Server::start(&["--sandbox", "--signing-key-file", file.path()], &[]);
        let token = server.mint("sandbox-api-token", "{}").await;
        let header = base64_json(token.split('.').next().unwrap());
        assert_eq!(header["alg"], algorithm);
        let response = server.send(get_as(&token, "/id/api/v1/locations")).await;
        assert_eq!(response.status(), 200);
    }
}

fn base64_json(text: &str) -> serde_json::Value {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text);
    serde_json::from_slice(&bytes.unwrap()).unwrap()
}
