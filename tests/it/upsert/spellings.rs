//! The spellings of an address find the same profile, and one of them is stored.

use omneo_id::upsert::SignUp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A tenant that compares whole addresses, ignoring the case of ASCII letters, in its filters and
/// its uniqueness check.
#[derive(Clone)]
struct Directory {
    profiles: Arc<Mutex<Vec<Value>>>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Directory {
    fn new(field: &str, stored: &[&str]) -> Self {
        let profile = |(index, address): (usize, &&str)| {
            let mut profile = json!({"id": format!("p-{index}")});
            profile[field] = json!(address);
            profile
        };
        Self {
            profiles: Arc::new(Mutex::new(stored.iter().enumerate().map(profile).collect())),
            lines: Arc::default(),
        }
    }

    fn profiles_with(&self, field: &str, value: &str) -> Vec<Value> {
        let mut profiles = self.profiles.lock().unwrap().clone();
        profiles.retain(|profile| {
            profile[field]
                .as_str()
                .is_some_and(|stored| stored.eq_ignore_ascii_case(value))
        });
        profiles
    }

    async fn serve(self, request: Sent) -> Result<Response<Full<Bytes>>, Infallible> {
        let (parts, body) = request.into_parts();
        let body = own_body(body).await;
        let query = decoded(parts.uri.query().unwrap_or_default());
        let line = format!("{} {} {query}", parts.method, parts.uri.path());
        self.lines.lock().unwrap().push(line);
        let response = match (parts.method.as_str(), parts.uri.path()) {
            ("GET", "/profiles") => {
                let (field, value) = query
                    .strip_prefix("filter[")
                    .unwrap()
                    .split_once("]=")
                    .unwrap();
                json!({"data": self.profiles_with(field, value)})
            }
            ("POST", "/profiles") => {
                let mut body: Value = serde_json::from_slice(&body).unwrap();
                body["id"] = json!("p-new");
                self.profiles.lock().unwrap().push(body.clone());
                json!({"data": body})
            }
            ("PUT", _) => json!({"data": {}}),
            _ => panic!("{} {}", parts.method, parts.uri),
        };
        Ok(Response::new(Full::from(response.to_string())))
    }

    async fn sign_up(&self, policy: CommsPolicy, payload: &Value) -> Response<Bytes> {
        let directory = self.clone();
        let tenant = service_fn(move |request: Sent| directory.clone().serve(request));
        let service = CommsUpsert::new(tenant, policy);
        let response = service.oneshot(post(&payload.to_string())).await.unwrap();
        let (parts, body) = response.into_parts();
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
    }

    /// The values of the look-ups by this field, in order.
    fn looked_up(&self, field: &str) -> Vec<String> {
        let prefix = format!("GET /profiles filter[{field}]=");
        let lines = self.lines.lock().unwrap();
        lines
            .iter()
            .filter_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
            .collect()
    }
}

fn decoded(query: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = query.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex = [rest.next().unwrap(), rest.next().unwrap()];
            let hex = std::str::from_utf8(&hex).unwrap();
            bytes.push(u8::from_str_radix(hex, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn opting_out(email: &str) -> Value {
    json!({"email": email, "attributes": {"comms": {"email_optout": true}}})
}

fn outcome(response: &Response<Bytes>) -> Option<UpsertOutcome> {
    response.extensions().get().copied()
}

fn email(text: &str) -> Option<String> {
    let payload = json!({"email": text}).to_string();
    let sign_up = SignUp::parse(payload.as_bytes(), &CommsPolicy::new()).ok()?;
    Some(sign_up.email().to_owned())
}

fn phone(text: &str) -> Option<String> {
    let payload = json!({"email": "a@b.example", "mobile_phone": text}).to_string();
    let sign_up = SignUp::parse(payload.as_bytes(), &CommsPolicy::new()).ok()?;
    sign_up.mobile_phone().map(str::to_owned)
}

/// The spellings of each address. The first one is stored.
const ONE_ADDRESS: &[&[&str]] = &[
    &[
        "max@xn--mller-kva.example",
        "max@müller.example",
        "Max@XN--MLLER-KVA.Example",
        "max@MÜLLER.EXAMPLE",
        "max@mu\u{308}ller.example",
        "max@\u{ff4d}üller.example",
        "max@müller\u{3002}example",
    ],
    &[
        "ada@shop.xn--fiqs8s",
        "ada@shop.中国",
        "ADA@Shop.XN--FIQS8S",
    ],
    &["a@xn--strae-oqa.example", "a@straße.example"],
    &[
        "j\u{f6}rg@xn--mller-kva.example",
        "jo\u{308}rg@müller.example",
        "j\u{f6}rg@müller.example",
    ],
];

#[tokio::test]
async fn each_spelling_finds_a_profile_stored_with_another_spelling() {
    for spellings in ONE_ADDRESS {
        for stored in *spellings {
            // A tenant stores the spelling that it has received, in A-labels or U-labels.
            let (local, domain) = stored.split_once('@').unwrap();
            let is_a_label = domain == domain.to_lowercase() && domain.contains("xn--");
            let is_u_label = ["müller.example", "shop.中国", "straße.example"].contains(&domain);
            if local.contains('\u{308}') || !(is_a_label || is_u_label) {
                continue;
            }
            for given in *spellings {
                let directory = Directory::new("email", &[stored]);
                let response = directory
                    .sign_up(CommsPolicy::new(), &opting_out(given))
                    .await;
                assert_eq!(
                    outcome(&response),
                    Some(UpsertOutcome::Updated),
                    "{stored} {given}"
                );
                assert_eq!(directory.profiles.lock().unwrap().len(), 1);
            }
        }
    }
}

#[tokio::test]
async fn a_new_address_is_written_in_one_spelling() {
    for spellings in ONE_ADDRESS {
        for given in *spellings {
            let directory = Directory::new("email", &[]);
            for again in *spellings {
                let response = directory
                    .sign_up(CommsPolicy::new(), &opting_out(given))
                    .await;
                assert_eq!(response.status(), 200, "{given}");
                let response = directory
                    .sign_up(CommsPolicy::new(), &opting_out(again))
                    .await;
                assert_eq!(response.status(), 200, "{again}");
            }
            let profiles = directory.profiles.lock().unwrap().clone();
            assert_eq!(profiles.len(), 1, "{given}");
            assert_eq!(profiles[0]["email"], spellings[0], "{given}");
        }
    }
}

#[tokio::test]
async fn both_forms_of_a_domain_are_queried_for_known_and_new_people() {
    let forms = ["max@xn--mller-kva.example", "max@müller.example"];
    for stored in [&[][..], &forms[..1], &forms[1..]] {
        for given in forms {
            let directory = Directory::new("email", stored);
            let response = directory
                .sign_up(CommsPolicy::new(), &opting_out(given))
                .await;
            assert_eq!(response.status(), 200);
            assert_eq!(directory.looked_up("email"), forms, "{stored:?} {given}");
            assert_eq!(directory.lines.lock().unwrap().len(), 3, "and one write");
        }
    }
}

#[tokio::test]
async fn a_plain_domain_is_queried_once() {
    for (given, asked) in [
        ("Ada@Example.com", "ada@example.com"),
        ("jo\u{308}rg@example.com", "j\u{f6}rg@example.com"),
        ("ada@ex\u{ff41}mple.com", "ada@example.com"),
        ("ada@example\u{3002}com", "ada@example.com"),
    ] {
        for stored in [&[asked][..], &[]] {
            let directory = Directory::new("email", stored);
            directory
                .sign_up(CommsPolicy::new(), &opting_out(given))
                .await;
            assert_eq!(directory.looked_up("email"), [asked]);
            assert_eq!(directory.lines.lock().unwrap().len(), 2, "and one write");
        }
    }
}

#[tokio::test]
async fn different_domains_and_letters_are_different_people() {
    for (stored, given) in [
        ("a@strasse.example", "a@straße.example"),
        ("max@muller.example", "max@müller.example"),
        ("max@mueller.example", "max@müller.example"),
        ("jorg@example.com", "jörg@example.com"),
        ("JÖRG@example.com", "jörg@example.com"),
        ("ada@example.com", "ada@ex\u{430}mple.com"),
        ("ada@example.com", "\u{ff41}da@example.com"),
        ("k\u{131}m@example.com", "kim@example.com"),
    ] {
        let directory = Directory::new("email", &[stored]);
        let response = directory
            .sign_up(CommsPolicy::new(), &opting_out(given))
            .await;
        assert_eq!(outcome(&response), Some(UpsertOutcome::Created), "{given}");
    }
}

/// An earlier version may have created two profiles for one person.
#[tokio::test]
async fn a_profile_for_each_form_is_ambiguous() {
    let directory = Directory::new(
        "email",
        &["max@xn--mller-kva.example", "max@müller.example"],
    );
    let payload = opting_out("max@müller.example");
    let response = directory.sign_up(CommsPolicy::new(), &payload).await;
    assert_eq!(rejection_kind(&response), RejectionKind::TenantAnswer);
    let concealing = CommsPolicy::new().conceal_tenant_validation();
    let response = directory.sign_up(concealing, &payload).await;
    assert_eq!(response.status(), 200);
    let lines = directory.lines.lock().unwrap().clone();
    assert!(
        lines.iter().all(|line| line.starts_with("GET ")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn the_availability_of_an_idn_is_queried_in_both_forms() {
    let forms = [
        "GET /profiles?filter%5Bemail%5D=m%40xn--mller-kva.example",
        "GET /profiles?filter%5Bemail%5D=m%40m%C3%BCller.example",
    ];
    let script = Script::new([
        (forms[0], respond(200, NO_PROFILES)),
        (forms[1], respond(200, NO_PROFILES)),
        (CREATE, respond(422, TAKEN)),
        (forms[0], respond(200, NO_PROFILES)),
        (forms[1], respond(200, NO_PROFILES)),
        (
            "POST /profiles/availability",
            respond(200, r#"{"data":{"email":{"profile":null}}}"#),
        ),
        (
            "POST /profiles/availability",
            respond(200, r#"{"data":{"email":{"profile":{"id":"ada-1"}}}}"#),
        ),
        (
            "GET /profiles/ada-1",
            respond(200, r#"{"data":{"id":"ada-1","email":"M@MÜLLER.example"}}"#),
        ),
        (UPDATE, respond(200, "{}")),
    ]);
    let payload = opting_out("m@müller.example").to_string();
    let response = script.sign_up(CommsPolicy::new(), &payload).await;
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Updated));
    assert_eq!(
        script.bodies()[1..3],
        [
            r#"{"email":"m@xn--mller-kva.example"}"#,
            r#"{"email":"m@müller.example"}"#
        ]
    );
}

#[tokio::test]
async fn an_invalid_domain_is_rejected_before_the_look_up() {
    let long = format!("a@{}.example", "ü".repeat(63));
    for given in [
        "a@xn--.example",
        "a@xn--zzzzzzzz.example",
        "a@example.xn--a",
        "a@\u{5d0}a.example",
        "a@-müller.example",
        "a@mü_ller.example",
        "a@mü/ller.example",
        "a@müller..example",
        "a@müller",
        "a@.müller.example",
        "a@exam\u{ad}ple.com",
        "a\u{37e}b@example.com",
        long.as_str(),
    ] {
        let script = Script::new([]);
        let payload = opting_out(given).to_string();
        let response = script.sign_up(CommsPolicy::new(), &payload).await;
        assert_eq!(response.status(), 422, "{given}");
    }
}

#[test]
fn a_local_part_is_composed_and_only_its_ascii_letters_are_folded() {
    for (given, kept) in [
        ("JO\u{308}RG@example.com", "j\u{d6}rg@example.com"),
        ("J\u{30c}an@example.com", "\u{1f0}an@example.com"),
        ("\u{1f0}an@example.com", "\u{1f0}an@example.com"),
        ("I\u{307}da@example.com", "\u{130}da@example.com"),
        ("\u{130}da@example.com", "\u{130}da@example.com"),
        // The NFC of the Kelvin and Ångström signs is K and Å.
        ("\u{212a}im@example.com", "kim@example.com"),
        ("\u{212b}sa@example.com", "\u{c5}sa@example.com"),
        ("\u{fb01}n@example.com", "\u{fb01}n@example.com"),
    ] {
        assert_eq!(email(given).as_deref(), Some(kept), "{given}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn normalization_is_idempotent(
        local in "[A-Za-zÀ-ſİı\u{212a}\u{212b}\u{300}-\u{30c}0-9]{1,8}",
        domain in "(xn--)?[a-zA-ZÀ-ſ\u{300}-\u{30c}ａ-ｚ中国אب0-9-]{1,8}(\\.|。)[a-zü]{2,4}",
    ) {
        if let Some(written) = email(&format!("{local}@{domain}")) {
            prop_assert_eq!(email(&written), Some(written.clone()));
            let domain = written.rsplit_once('@').unwrap().1;
            prop_assert!(domain.is_ascii());
            prop_assert!(!domain.bytes().any(|byte| byte.is_ascii_uppercase()));
        }
    }
}

// Phone numbers.

#[test]
fn marks_and_separators_of_a_pasted_number_are_removed() {
    for given in [
        "\u{202a}+61412345678\u{202c}",
        "\u{202d}+61 412 345 678\u{202c}",
        "\u{2066}+61\u{a0}412\u{a0}345\u{a0}678\u{2069}",
        "+61\u{2011}412\u{2011}345\u{2011}678",
        "+61\u{2010}412\u{2012}345\u{2013}678",
        "+61\u{2014}412\u{2015}345\u{2212}678",
        "+61\u{202f}412\u{202f}345\u{202f}678",
        "+61\u{2007}412\u{2009}345\u{200a}678",
        "\u{feff}+61\u{200b}412\u{200c}345\u{200d}678\u{200e}\u{200f}",
        "+61\u{ad}412\u{2060}345\u{2064}678",
        "\u{a0}+61 (412) 345.678\u{3000}",
        "+\u{200b}61412345678",
    ] {
        assert_eq!(phone(given).as_deref(), Some("+61412345678"), "{given:?}");
    }
    for given in [
        "+61412345678\u{0}",
        "+61\n412345678",
        "\u{200b}",
        "+\u{202c}",
        "+6141234567\u{ff18}",
        "+6141234567\u{668}",
        "0412\u{2011}345\u{2011}678",
    ] {
        assert_eq!(phone(given), None, "{given:?}");
    }
}

#[test]
fn a_trunk_zero_after_a_country_code_is_invalid() {
    for given in [
        "+61 0412 345 678",
        "+610412345678",
        "+61 (0)412 345 678",
        "+61 (0412) 345 678",
        "+61\u{202f}0412\u{202f}345\u{202f}678",
        "+61 (\u{200e}0) 412 345 678",
        "+44 020 7946 0000",
        "+49 0171 1234567",
        "+33 06 12 34 56 78",
        "+64 021 123 456",
        "+1 0415 555 0100",
        "+7 0912 345 6789",
        "+353 085 012 3456",
        "+972 050 123 4567",
        // A trunk zero in countries where some numbers begin with a zero.
        "+250 0788 123 456",
        "+39 (0)6 6982 1234",
    ] {
        assert_eq!(phone(given), None, "{given}");
    }
}

#[test]
fn a_zero_that_is_part_of_the_number_is_kept() {
    for (given, kept) in [
        // Italy and the Vatican, San Marino.
        ("+39 06 6982 1234", "+390669821234"),
        ("+39 (02) 1234 567", "+39021234567"),
        ("+39 347 123 4567", "+393471234567"),
        ("+378 0549 886377", "+3780549886377"),
        // Côte d'Ivoire, Burkina Faso, Benin, Gabon, Congo, Rwanda, Tajikistan.
        ("+225 07 12 34 56 78", "+2250712345678"),
        ("+226 01 23 45 67", "+22601234567"),
        ("+229 01 23 45 67 89", "+2290123456789"),
        ("+241 01 44 12 34", "+24101441234"),
        ("+242 06 123 4567", "+242061234567"),
        ("+250 06 123 456", "+25006123456"),
        ("+992 00 123 4567", "+992001234567"),
    ] {
        assert_eq!(phone(given).as_deref(), Some(kept), "{given}");
    }
}

#[tokio::test]
async fn each_spelling_of_a_number_finds_the_profile() {
    for stored in [
        "+61412345678",
        "+61 412 345 678",
        "\u{202a}+61412345678\u{202c}",
    ] {
        for given in [
            "\u{202a}+61412345678\u{202c}",
            "+61\u{2011}412\u{2011}345\u{2011}678",
        ] {
            let payload = json!({"email": "new@example.com", "mobile_phone": given,
                "attributes": {"comms": {"sms_optout": true}}});
            let body = json!({"data": [{"id": "ada-1", "mobile_phone": stored}]}).to_string();
            let found = respond(200, Box::leak(body.into_boxed_str()));
            let script = Script::new([
                (
                    "GET /profiles?filter%5Bemail%5D=new%40example.com",
                    respond(200, NO_PROFILES),
                ),
                (BY_PHONE, found),
                (UPDATE, respond(200, "{}")),
            ]);
            let response = script
                .sign_up(CommsPolicy::new(), &payload.to_string())
                .await;
            assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Updated));
        }
    }
}
