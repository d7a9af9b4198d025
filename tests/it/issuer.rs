//! An application with its own login: extra claims, and the content of a verified token.

use omneo_id::auth::VerifyErrorKind;
use omneo_id::error::ConfigErrorKind;
use omneo_id::identity::VerifiedToken;
use omneo_id::token::IssueErrorKind;
use omneo_id::{Keyring, SigningKey, Subject, TokenIssuer, TokenVerifier};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::auth::{HS256, kind, sign, verifier};

const NOW: u64 = 1_700_000_000;
const SECRET: &str = "a secret of more than thirty-two bytes";

fn ring() -> Keyring {
    Keyring::new(SigningKey::hs256(SECRET).unwrap())
}

fn issuer(names: &[&str]) -> TokenIssuer {
    let issuer = TokenIssuer::new(ring()).with_clock(|| NOW);
    issuer.with_extra_claims(names).unwrap()
}

fn ada() -> Subject {
    Subject::Profile("3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10".parse().unwrap())
}

/// Issues and verifies a token with these claims.
fn round_trip(names: &[&str], claims: impl Serialize) -> VerifiedToken {
    let token = issuer(names).issue_with(&ada(), claims).unwrap();
    verifier().verify(token.token()).unwrap()
}

#[test]
fn extra_claims_are_read_in_the_type_that_they_were_issued_in() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Membership {
        tier: String,
        points: u64,
        discount: f64,
        vip: bool,
        tags: Vec<String>,
        store: Option<Store>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Store {
        id: i64,
    }
    let names = ["tier", "points", "discount", "vip", "tags", "store"];
    let membership = Membership {
        tier: "gold \"plus\" \u{1f3c6}".to_owned(),
        points: u64::MAX,
        discount: 0.25,
        vip: true,
        tags: vec!["a".to_owned(), "b\\".to_owned()],
        store: Some(Store { id: -7 }),
    };
    let token = round_trip(&names, &membership);
    let claims = token.claims();
    let read = Membership {
        tier: claims.get("tier").unwrap().unwrap(),
        points: claims.get("points").unwrap().unwrap(),
        discount: claims.get("discount").unwrap().unwrap(),
        vip: claims.get("vip").unwrap().unwrap(),
        tags: claims.get("tags").unwrap().unwrap(),
        store: claims.get("store").unwrap(),
    };
    assert_eq!(read, membership);
    assert_eq!(token.subject(), &ada());
}

#[test]
fn a_claim_is_absent_null_of_the_type_or_of_another_type() {
    let token = round_trip(&["tier", "none"], json!({ "tier": "gold", "none": null }));
    let claims = token.claims();
    assert_eq!(claims.get::<String>("tier"), Ok(Some("gold".to_owned())));
    assert_eq!(claims.get::<&str>("tier"), Ok(Some("gold")));
    assert_eq!(claims.get::<String>("Tier"), Ok(None));
    assert_eq!(claims.get::<String>(""), Ok(None));
    let error = claims.get::<u64>("tier").unwrap_err();
    assert_eq!(error.name(), "tier");
    assert!(!format!("{error}{error:?}").contains("gold"));
    assert!(claims.get::<String>("none").is_err());
    assert_eq!(claims.get::<Option<String>>("none"), Ok(Some(None)));
    assert_eq!(claims.get::<Option<String>>("other"), Ok(None));
    assert!(!format!("{token:?}").contains("gold"));

    // Claims with a field are read there, whether there are extra claims or not.
    let bare = issuer(&[]).issue(&ada()).unwrap();
    let bare = verifier().verify(bare.token()).unwrap();
    for token in [token, bare] {
        for name in ["pid", "exp", "iat", "nbf", "jti", "iss", "aud"] {
            assert_eq!(token.claims().get::<Value>(name), Ok(None), "{name}");
        }
        assert_eq!(token.claims().get::<Value>("vip"), Ok(None));
    }
}

#[test]
fn claims_of_another_issuer_are_read_with_escaped_names() {
    let payload = format!(
        r#"{{"exp":{},"sub":"auth0|7","t\u0069er":"go\u006cd","n":1.50,"deep":{}{}}}"#,
        NOW + 60,
        "[".repeat(200),
        "]".repeat(200),
    );
    let token = verifier().verify(&sign(HS256, payload.as_bytes())).unwrap();
    let claims = token.claims();
    assert_eq!(claims.get::<String>("sub").unwrap().unwrap(), "auth0|7");
    assert_eq!(claims.get::<String>("tier").unwrap().unwrap(), "gold");
    assert!(claims.get::<&str>("tier").is_err(), "it has an escape");
    assert_eq!(claims.get::<f64>("n"), Ok(Some(1.5)));
    assert!(claims.get::<Value>("deep").is_err(), "bounded recursion");
    assert_eq!(claims.get::<String>("t\\u0069er"), Ok(None));
}

#[test]
fn a_duplicate_extra_claim_is_rejected() {
    let exp = NOW + 60;
    for payload in [
        format!(r#"{{"exp":{exp},"tier":"a","tier":"a"}}"#),
        format!(r#"{{"tier":"a","exp":{exp},"x":1,"t\u0069er":"b"}}"#),
        format!(r#"{{"exp":{exp},"":1,"a":2,"":3}}"#),
    ] {
        let error = kind(verifier().verify(&sign(HS256, payload.as_bytes())));
        assert_eq!(error, VerifyErrorKind::InvalidClaims, "{payload}");
    }
    // Names that differ, and nested objects of which only the application reads the content.
    let payload = format!(r#"{{"exp":{exp},"a":{{"x":1,"x":2}},"b":1,"A":1,"x":1}}"#);
    assert!(verifier().verify(&sign(HS256, payload.as_bytes())).is_ok());
    let many: String = (0..700).map(|n| format!(r#","{n}":0"#)).collect();
    let token = sign(HS256, format!(r#"{{"exp":{exp}{many}}}"#).as_bytes());
    let token = verifier().verify(&token).unwrap();
    assert_eq!(token.claims().get::<u8>("699"), Ok(Some(0)));
}

#[test]
fn reserved_names_and_names_that_are_not_plain_are_configuration_errors() {
    for name in [
        "pid",
        "iat",
        "exp",
        "nbf",
        "jti",
        "iss",
        "aud",
        "sub",
        "auth_time",
        "cnf",
        "PID",
        "Exp",
        "alg",
        "kid",
        "crit",
        "typ",
        "jwk",
        "x5t#S256",
        "",
        " tier",
        "ti er",
        "tier\n",
        "tiér",
        "\u{212a}id",
    ] {
        let error = TokenIssuer::new(ring()).with_extra_claims(["tier", name]);
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::InvalidValue, "{name:?}");
    }
    let url = "https://acme.example/claims/tier";
    let token = round_trip(&["tier", url, "pid2", "x"], json!({ url: 1 }));
    assert_eq!(token.claims().get::<u8>(url), Ok(Some(1)));
    assert!(
        TokenIssuer::new(ring())
            .with_extra_claims(["x".repeat(129)])
            .is_err()
    );
}

#[test]
fn only_listed_claims_are_issued() {
    let listed = issuer(&["tier"]);
    let token = listed.issue_with(&ada(), json!({ "tier": 1, "exp": 1 }));
    let error = token.unwrap_err();
    assert_eq!(error.kind(), IssueErrorKind::ClaimNotAllowed);
    assert_eq!(error.claim(), Some("exp"));
    for claims in [
        json!({ "pid": "other" }),
        json!({ "Tier": 1 }),
        json!({ "": 1 }),
    ] {
        let error = listed.issue_with(&ada(), &claims).unwrap_err();
        assert_eq!(error.kind(), IssueErrorKind::ClaimNotAllowed, "{claims}");
    }
    let none = TokenIssuer::new(ring()).issue_with(&ada(), json!({ "tier": 1 }));
    assert_eq!(none.unwrap_err().kind(), IssueErrorKind::ClaimNotAllowed);
    for claims in [json!(null), json!([]), json!("tier"), json!(7)] {
        let error = listed.issue_with(&ada(), &claims).unwrap_err();
        assert_eq!(error.kind(), IssueErrorKind::InvalidClaims, "{claims}");
    }
    let error = listed
        .with_extra_claims([""; 0])
        .unwrap()
        .issue_with(&ada(), json!({ "tier": 1 }));
    assert_eq!(error.unwrap_err().kind(), IssueErrorKind::ClaimNotAllowed);
    assert!(issuer(&[]).issue_with(&ada(), json!({})).is_ok());
}

#[test]
fn the_total_length_of_extra_claims_is_bounded() {
    let issuer = issuer(&["a", "b"]);
    let limit = TokenIssuer::MAX_EXTRA_CLAIMS_LEN;
    let overhead = json!({ "a": "", "b": "" }).to_string().len();
    let with = |length: usize| json!({ "a": "x".repeat(9), "b": "x".repeat(length - 9) });
    let longest = issuer.issue_with(&ada(), with(limit - overhead)).unwrap();
    assert!(longest.token().len() < TokenVerifier::MAX_TOKEN_LEN);
    assert!(verifier().verify(longest.token()).is_ok());
    let error = issuer
        .issue_with(&ada(), with(limit - overhead + 1))
        .unwrap_err();
    assert_eq!(error.kind(), IssueErrorKind::ClaimsTooLarge);
    // Escapes count as they are sent.
    let error = issuer.issue_with(&ada(), json!({ "a": "\u{1}".repeat(limit / 4) }));
    assert_eq!(error.unwrap_err().kind(), IssueErrorKind::ClaimsTooLarge);
}

#[test]
fn a_token_with_one_kib_of_extra_claims_is_cached() {
    let issuer = issuer(&["a"]).with_issuer("https://id.example").unwrap();
    for (length, hits) in [(1000, 1), (2000, 0)] {
        let verifier = verifier();
        let token = issuer
            .issue_with(&ada(), json!({ "a": "x".repeat(length) }))
            .unwrap();
        for _ in 0..2 {
            let verified = verifier.verify(token.token()).unwrap();
            assert_eq!(
                verified.claims().get::<&str>("a").unwrap().unwrap().len(),
                length
            );
        }
        assert_eq!(verifier.cache_stats().hits, hits, "{length}");
    }
}

#[test]
fn an_issued_token_tells_its_id_and_times() {
    let issued = issuer(&[]).issue(&ada()).unwrap();
    let verified = verifier().verify(issued.token()).unwrap();
    assert_eq!(
        verified.claims().token_id.as_deref(),
        Some(issued.token_id())
    );
    assert_eq!(verified.claims().issued_at, Some(issued.issued_at()));
    assert_eq!((issued.issued_at(), issued.expires_at()), (NOW, NOW + 3600));
    assert_ne!(
        issuer(&[]).issue(&ada()).unwrap().token_id(),
        issued.token_id()
    );
    assert!(!format!("{issued:?}").contains(issued.token()));
}

#[test]
fn a_ring_without_a_signing_key_issues_nothing() {
    let key = SigningKey::hs256(SECRET).unwrap().verifying_key();
    let ring = Keyring::verifying_only([key]).unwrap();
    let error = TokenIssuer::new(ring).issue(&ada()).unwrap_err();
    assert_eq!(
        (error.kind(), error.claim()),
        (IssueErrorKind::NoSigningKey, None)
    );
}

#[test]
fn a_verified_token_tells_issuer_audiences_and_key_id() {
    let exp = NOW + 60;
    let any = || verifier().with_any_audience();
    let read = |payload: Value| {
        let token = sign(HS256, payload.to_string().as_bytes());
        any().verify(&token).unwrap()
    };
    let claims_of = |token: &VerifiedToken| {
        let claims = token.claims();
        let audience: Vec<String> = claims.audience.iter().map(|one| one.to_string()).collect();
        (claims.issuer.as_deref().map(str::to_owned), audience)
    };
    let none: [&str; 0] = [];
    for (payload, issuer, audience) in [
        (json!({ "exp": exp }), None, &none[..]),
        (
            json!({ "exp": exp, "iss": "", "aud": [] }),
            Some(""),
            &none[..],
        ),
        (
            json!({ "exp": exp, "iss": "a\"b", "aud": "shop" }),
            Some("a\"b"),
            &["shop"][..],
        ),
        (
            json!({ "exp": exp, "aud": ["shop", "app\n"] }),
            None,
            &["shop", "app\n"][..],
        ),
    ] {
        let (read_issuer, read_audience) = claims_of(&read(payload));
        assert_eq!(read_issuer.as_deref(), issuer);
        assert_eq!(read_audience, audience);
    }

    // `kid` of a header that this crate writes, of a foreign one, and without one.
    let key = |id: &str| SigningKey::hs256(SECRET).unwrap().with_key_id(id).unwrap();
    let ring = Keyring::new(key("käse \"1\""));
    let token = TokenIssuer::new(ring.clone())
        .with_clock(|| NOW)
        .issue(&ada())
        .unwrap();
    let verifier_of = |ring: Keyring| TokenVerifier::new(ring).with_clock(|| NOW);
    let key_id = |verifier: &TokenVerifier, token: &str| {
        let verified = verifier.verify(token).unwrap();
        verified.claims().key_id.as_deref().map(str::to_owned)
    };
    let verifier_of_ring = verifier_of(ring);
    for _ in 0..2 {
        let kid = key_id(&verifier_of_ring, token.token());
        assert_eq!(kid.as_deref(), Some("käse \"1\""));
    }
    let foreign = sign(
        r#"{"kid":"\u0078","alg":"HS256"}"#,
        format!(r#"{{"exp":{exp}}}"#).as_bytes(),
    );
    assert_eq!(
        key_id(&verifier(), &foreign).as_deref(),
        Some("x"),
        "a key without an id"
    );
    assert_eq!(
        key_id(&verifier(), issuer(&[]).issue(&ada()).unwrap().token()),
        None
    );
}
