//! Sign-ups with arbitrary bodies. An existing profile changes only in consent, no other request is
//! sent for it, and the response does not reveal whether it exists.
//!
//! Input: one byte of options, then a body. If the body is an object, it may get a known address.

#![no_main]

use std::cell::RefCell;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use libfuzzer_sys::fuzz_target;
use omneo_id::{Keyring, OmneoId, SigningKey};
use omneo_id::sandbox::{Sandbox, TestTokens};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

struct Shop {
    sandbox: Sandbox,
    id: OmneoId<Sandbox>,
    token: String,
    signed_up: usize,
}

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().unwrap();
    static SHOP: RefCell<Option<Shop>> = const { RefCell::new(None) };
}

impl Shop {
    fn open() -> Self {
        let ring =
            Keyring::new(SigningKey::hs256("a secret of at least thirty-two bytes").unwrap());
        let sandbox = Sandbox::new();
        let builder = OmneoId::builder()
            .upstream("https://api.sandbox.getomneo.com")
            .unwrap()
            .api_token(Sandbox::API_TOKEN)
            .keyring(ring.clone());
        Self {
            id: builder.build_with_client(sandbox.clone()).unwrap(),
            token: TestTokens::new(&ring).unwrap().anonymous(),
            sandbox,
            signed_up: 0,
        }
    }

    /// Ada's profile without her consent and the time of its last change.
    fn ada(&self) -> Value {
        let mut ada = self.sandbox.profile(Sandbox::ADA_ID).expect("she is there");
        ada["attributes"]["comms"] = Value::Null;
        ada["updated_at"] = Value::Null;
        ada
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&choices, body)) = data.split_first() else {
        return;
    };
    let mut body = body.to_vec();
    let mut is_ada = false;
    if choices & 1 == 1
        && let Ok(Value::Object(mut object)) = serde_json::from_slice(&body)
    {
        object.insert("email".to_owned(), Sandbox::ADA_EMAIL.into());
        body = Value::Object(object).to_string().into_bytes();
        is_ada = true;
    }
    RUNTIME.with(|runtime| {
        SHOP.with_borrow_mut(|slot| {
            let shop = slot.get_or_insert_with(Shop::open);
            send(runtime, shop, body, is_ada);
            // Renews the shop, because the people of earlier inputs are known by now.
            if shop.signed_up > 200 {
                *slot = None;
            }
        });
    });
});

fn send(runtime: &Runtime, shop: &mut Shop, body: Vec<u8>, is_ada: bool) {
    let before = shop.ada();
    let request = Request::post("/profiles")
        .header("authorization", format!("Bearer {}", shop.token))
        .header("content-type", "application/json")
        .body(Full::<Bytes>::from(body))
        .unwrap();
    let response = runtime.block_on(shop.id.clone().oneshot(request)).unwrap();
    let status = response.status().as_u16();
    let text = runtime.block_on(response.into_body().collect()).unwrap();
    let text = text.to_bytes();
    assert!(matches!(status, 200 | 400 | 413 | 422), "{status}");
    if status == 200 {
        assert_eq!(text, r#"{"data":{"success":true}}"#);
    }
    assert_eq!(before, shop.ada(), "more than her consent has changed");
    for received in shop.sandbox.take_requests() {
        if received.method == Method::GET {
            continue;
        }
        let sent = received.json();
        if received.path() == "/api/v3/profiles" {
            assert!(!is_ada, "an existing profile is created again: {sent}");
            shop.signed_up += 1;
            for never in ["id", "profile_id", "created_at", "updated_at", "_method"] {
                assert!(sent.get(never).is_none(), "{sent}");
            }
            continue;
        }
        // An update of consent only.
        let comms = received.path().ends_with("/attributes/comms");
        let only = |value: &Value, name: &str| {
            value
                .as_object()
                .is_some_and(|object| object.keys().all(|key| key == name))
        };
        let fields = match comms {
            true => &sent,
            false => {
                assert!(
                    only(&sent, "attributes") && only(&sent["attributes"], "comms"),
                    "{sent}"
                );
                &sent["attributes"]["comms"]
            }
        };
        for field in fields.as_object().expect("an object").keys() {
            assert!(
                !field.contains(['.', '[', ']', '_']) || field.is_ascii(),
                "{field}"
            );
        }
    }
}
