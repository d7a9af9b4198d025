//! Texts that JSON parsers read differently, from the public JSONTestSuite (see `data/json`). Texts
//! that the suite rejects are not forwarded, texts that it accepts are, and no text causes a
//! failure.

use omneo_id::upsert::SignUp;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Text {
    name: String,
    text: String,
    repeat: Option<usize>,
    #[serde(default)]
    end: String,
}

impl Text {
    fn all() -> Vec<Self> {
        serde_json::from_str(include_str!("../data/json/test_parsing.json")).unwrap()
    }

    /// The bytes of the text. U+FFFD represents a byte that is not UTF-8.
    fn bytes(&self) -> Vec<u8> {
        let text = self.text.repeat(self.repeat.unwrap_or(1)) + &self.end;
        let mut bytes = Vec::new();
        for character in text.chars() {
            match character {
                '\u{fffd}' => bytes.push(0xff),
                _ => bytes.extend(character.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        bytes
    }
}

/// Texts with duplicate keys: valid by the grammar of JSON, but read differently by parsers.
const DUPLICATE_KEYS: [&str; 2] = [
    "y_object_duplicated_key",
    "y_object_duplicated_key_and_value",
];

/// Rejected texts beyond the suite: invalid UTF-8, and texts that the suite leaves open.
const REFUSED: &[&[u8]] = &[
    b"\xef\xbb\xbf",
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\0}\0",
    b"\0{\0}",
    b"[\"\xc0\xaf\"]",
    b"[\"\xe0\xff\"]",
    b"[\"\xed\xa0\x80\"]",
    b"[\"\xf4\xbf\xbf\xbf\"]",
    b"[\"\xfc\x80\x80\x80\x80\x80\"]",
    b"[\"\x81\"]",
    b"[\"\\\xe5\"]",
    b"[\"\\u\xe5\"]",
    b"[\"\\uD800\"]",
    b"[\"\\ud800abc\"]",
    b"[\"\\uDd1e\\uD834\"]",
    b"{\"\\uDFAA\":0}",
    b"[1e9999]",
    b"[-1e+9999]",
    b"{\"a\":{\"b\":1,\"b\":1}}",
    b"{\"\\u0061\":1,\"a\":1}",
    b"{\"a\":1}//",
    b"{/**/}",
    b"[inf]",
    b"[1_000]",
    b"[0x1]",
];

async fn sign_up(payload: Vec<u8>) -> (u16, Vec<Seen>) {
    let script = Script::new([
        (BY_NEW, respond(200, NO_PROFILES)),
        (CREATE, respond(201, "{}")),
    ]);
    let request = post("").map(|_| Bytes::from(payload).into());
    // The limit exceeds the suite's longest text, so that its depth is tested and not its length.
    let policy = CommsPolicy::new().with_body_limit(1024 * 1024);
    let response = script.send(policy, request).await;
    (response.status().as_u16(), script.seen())
}

const BY_NEW: &str = "GET /profiles?filter%5Bemail%5D=a%40b.example";

fn embedded(text: &[u8]) -> Vec<u8> {
    [br#"{"email":"a@b.example","x":"#, text, b"}"].concat()
}

#[tokio::test]
async fn texts_that_the_suite_rejects_are_not_forwarded() {
    let texts = Text::all();
    let refused: Vec<_> = texts
        .iter()
        .filter(|text| text.name.starts_with("n_"))
        .collect();
    assert_eq!(refused.len(), 188);
    for text in refused {
        for payload in [text.bytes(), embedded(&text.bytes())] {
            let (status, seen) = sign_up(payload).await;
            assert_eq!((status, seen.len()), (400, 0), "{}", text.name);
        }
    }
}

#[tokio::test]
async fn texts_that_the_suite_accepts_are_forwarded_unchanged() {
    let texts = Text::all();
    let read: Vec<_> = texts
        .iter()
        .filter(|text| text.name.starts_with("y_"))
        .collect();
    assert_eq!(read.len(), 95);
    for text in read {
        let (name, bytes) = (&text.name, text.bytes());
        let (alone, seen) = sign_up(bytes.clone()).await;
        assert!(seen.is_empty(), "{name} is not a profile");
        let (status, seen) = sign_up(embedded(&bytes)).await;
        if DUPLICATE_KEYS.contains(&name.as_str()) {
            assert_eq!((alone, status, seen.len()), (400, 400, 0), "{name}");
            continue;
        }
        assert_eq!((alone, status, seen.len()), (422, 200, 2), "{name}");
        assert_same_value(&seen[1].body, &bytes, name);
    }
}

#[tokio::test]
async fn texts_that_the_suite_leaves_open_are_rejected_or_forwarded_unchanged() {
    for text in Text::all() {
        if !text.name.starts_with("i_") {
            continue;
        }
        let (name, bytes) = (&text.name, text.bytes());
        let (alone, seen) = sign_up(bytes.clone()).await;
        assert!(matches!(alone, 400 | 422) && seen.is_empty(), "{name}");
        match sign_up(embedded(&bytes)).await {
            (400, seen) => assert!(seen.is_empty(), "{name}"),
            (status, seen) => {
                assert_eq!((status, seen.len()), (200, 2), "{name}");
                assert_same_value(&seen[1].body, &bytes, name);
            }
        }
    }
}

fn assert_same_value(sent: &str, given: &[u8], name: &str) {
    let sent: serde_json::Value = serde_json::from_str(sent).unwrap();
    let given: serde_json::Value = serde_json::from_slice(given).unwrap();
    assert_eq!(
        without_forbidden_names(sent["x"].clone()),
        without_forbidden_names(given),
        "{name}"
    );
}

/// The value without the names that are never forwarded.
fn without_forbidden_names(mut value: serde_json::Value) -> serde_json::Value {
    if let Some(object) = value.as_object_mut() {
        object.retain(|key, _| !key.contains(['.', '[', ']', '\0']));
    }
    value
}

#[tokio::test]
async fn invalid_utf8_and_ambiguous_json_are_not_forwarded() {
    for text in REFUSED {
        for payload in [text.to_vec(), embedded(text)] {
            let shown = payload.escape_ascii().to_string();
            let (status, seen) = sign_up(payload).await;
            assert_eq!((status, seen.len()), (400, 0), "{shown}");
        }
    }
}

#[tokio::test]
async fn nesting_depth_is_bounded_before_the_tenant_is_called() {
    for text in [
        "[".repeat(60_000),
        r#"{"":"#.repeat(15_000),
        format!("{}{}", "[".repeat(30_000), "]".repeat(30_000)),
    ] {
        let (status, seen) = sign_up(text.into_bytes()).await;
        assert_eq!((status, seen.len()), (400, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A valid payload with a few changed bytes is rejected, or parsed as `serde_json` parses it.
    #[test]
    fn damaged_payloads_are_rejected_or_forwarded_unchanged(
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4)
    ) {
        let mut payload = concat!(
            r#"{"email":"a@b.example","x":[1.50,{"y":"\u00e9\ud83d\ude00"}],"#,
            r#""attributes":{"comms":{"sms_promo":true}}}"#,
        )
        .as_bytes()
        .to_vec();
        for (at, byte) in damage {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        let policy = CommsPolicy::new();
        match SignUp::parse(&payload, &policy) {
            Err(rejection) => prop_assert!(rejection.kind().status().is_client_error()),
            Ok(sign_up) => {
                let given: serde_json::Value = serde_json::from_slice(&payload).unwrap();
                let body = policy.create_body(&sign_up);
                let created: serde_json::Value = serde_json::from_slice(&body).unwrap();
                // A member whose name PHP would interpret as a path is not forwarded.
                let is_path = |name: &String| name.contains(['.', '[', ']', '\0']);
                let has_path = given["x"][1].as_object().is_some_and(|x| x.keys().any(is_path));
                if !has_path {
                    prop_assert_eq!(&created["x"], &given["x"]);
                }
                let flag = created["attributes"]["comms"].get("sms_promo");
                prop_assert_eq!(flag, given["attributes"]["comms"].get("sms_promo"));
            }
        }
    }
}
