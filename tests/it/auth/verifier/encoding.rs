//! The encoding and the size of a token.

use omneo_id::auth::VerifyErrorKind;
use serde_json::json;

use super::super::{HS256, NOW, kind, sign, token, verifier};

#[test]
fn a_token_has_three_segments_of_canonical_base64url() {
    let good = token();
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("three segments");
    };
    assert!(verifier().verify(&good).is_ok());
    let mut bad = vec![
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        header.to_owned(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!(".{good}"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{header} .{payload}.{signature}"),
        format!("{good}é"),
        format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#),
        format!("{header}.{payload}.{signature}.{payload}.{signature}"),
        ".".repeat(8192),
    ];
    // The last character of the signature has two bits that must be zero.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = good.split_at(good.len() - 1);
    let index = alphabet.find(last).unwrap();
    for sibling in 1..4 {
        bad.push(format!("{rest}{}", &alphabet[index + sibling..][..1]));
    }
    for token in bad {
        let kind = kind(verifier().verify(&token));
        let expected = matches!(
            kind,
            VerifyErrorKind::Malformed | VerifyErrorKind::Signature
        );
        assert!(expected, "{token}: {kind:?}");
    }
}

#[test]
fn every_changed_character_invalidates_a_token() {
    let good = token();
    let verifier = verifier();
    assert!(verifier.verify(&good).is_ok());
    for index in 0..good.len() {
        for replacement in ["A", "B", "-", "_", "9", ".", "=", "+", "/"] {
            if &good[index..=index] != replacement {
                let mut changed = good.clone();
                changed.replace_range(index..=index, replacement);
                assert!(verifier.verify(&changed).is_err(), "{index} {replacement}");
            }
        }
    }
    for len in 0..good.len() {
        assert!(verifier.verify(&good[..len]).is_err());
    }
}

#[test]
fn a_token_over_the_size_limit_is_rejected_unread() {
    let fill = |len: usize| {
        let payload = json!({ "exp": NOW + 60, "x": "x".repeat(len) }).to_string();
        sign(HS256, payload.as_bytes())
    };
    assert!(verifier().verify(&fill(6000)).is_ok());
    assert_eq!(
        kind(verifier().verify(&fill(6200))),
        VerifyErrorKind::TooLong
    );
    assert_eq!(
        kind(verifier().verify(&"é".repeat(1 << 20))),
        VerifyErrorKind::TooLong
    );
}
