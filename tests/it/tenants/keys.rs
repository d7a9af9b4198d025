//! The rule of tenant keys.

use std::collections::BTreeSet;

use omneo_id::tenants::TenantKey;
use proptest::prelude::*;

#[test]
fn a_key_is_1_to_63_letters_digits_hyphens_and_underscores() {
    let longest = "a".repeat(63);
    for (text, expected) in [
        ("acme", "acme"),
        ("ACME-Shop_2", "acme-shop_2"),
        ("-", "-"),
        ("0", "0"),
        (&longest, &longest),
    ] {
        let key: TenantKey = text.parse().unwrap();
        assert_eq!(key.as_str(), expected);
        assert_eq!(key.to_string(), expected);
        assert_eq!(key.as_ref(), expected);
        assert_eq!(TenantKey::try_from(text), Ok(key));
    }
    let too_long = "a".repeat(64);
    for text in [
        "",
        " ",
        "a b",
        "a.b",
        "a/b",
        "ä",
        "a\0",
        "\0",
        "{a}",
        "a\n",
        "%61",
        "*",
        &too_long,
        &"a".repeat(256),
        &"a".repeat(300),
    ] {
        assert!(text.parse::<TenantKey>().is_err(), "{text:?}");
    }
}

#[test]
fn the_default_key_is_a_key() {
    assert_eq!("default".parse(), Ok(TenantKey::DEFAULT));
}

#[test]
fn keys_have_the_order_of_their_text_and_are_shown_in_logs() {
    let keys: BTreeSet<TenantKey> = ["b", "a-", "a", "a0", "aa"]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    let texts: Vec<&str> = keys.iter().map(TenantKey::as_str).collect();
    assert_eq!(texts, ["a", "a-", "a0", "aa", "b"]);
    assert_eq!(
        format!("{:?}", TenantKey::DEFAULT),
        r#"TenantKey("default")"#
    );
    assert_eq!(format!("[{:>8}]", TenantKey::DEFAULT), "[ default]");
    assert_eq!(size_of::<TenantKey>(), 64);
}

proptest! {
    #[test]
    fn every_text_is_a_key_or_an_error(text in "(?s)([a-zA-Z0-9_-]{0,70}|.{0,8})") {
        let is_key = (1..=63).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let key = text.parse::<TenantKey>();
        prop_assert_eq!(key.is_ok(), is_key);
        if let Ok(key) = key {
            prop_assert_eq!(key.as_str(), text.to_ascii_lowercase());
        }
    }
}
