//! The upsert in front of the sandbox: a tenant with loose filters, similar addresses and its own
//! rules.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use omneo_id::sandbox::{Sandbox, SandboxBody};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

pub(super) type Shop = tower::util::BoxCloneService<Sent, Response<SandboxBody>, String>;

/// The sandbox behind relative paths and its credential. `pause_before` runs between any two
/// requests.
pub(super) fn tenant(
    sandbox: &Sandbox,
    pause_before: impl Fn(&Method) -> Pause + Clone + Send + 'static,
) -> Shop {
    let sandbox = sandbox.clone();
    Shop::new(service_fn(move |request: Sent| {
        let (mut parts, body) = request.into_parts();
        parts.uri = format!("{}{}", sandbox.base_path(), parts.uri)
            .parse()
            .unwrap();
        let credential = format!("Bearer {}", sandbox.api_token());
        parts
            .headers
            .insert("authorization", credential.parse().unwrap());
        let pause = pause_before(&parts.method);
        let sandbox = sandbox.clone();
        async move {
            pause.await;
            let response = sandbox.oneshot(Request::from_parts(parts, body)).await;
            response.map_err(|error| error.to_string())
        }
    }))
}

type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(super) async fn sign_up(service: CommsUpsert<Shop>, payload: String) -> Response<Bytes> {
    let (parts, body) = service.oneshot(post(&payload)).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

fn at_once(_: &Method) -> Pause {
    Box::pin(std::future::ready(()))
}

pub(super) fn in_front_of(sandbox: &Sandbox) -> CommsUpsert<Shop> {
    CommsUpsert::new(tenant(sandbox, at_once), CommsPolicy::new())
}

#[tokio::test]
async fn every_seeded_profile_is_found_among_similar_ones() {
    let sandbox = Sandbox::new();
    let service = in_front_of(&sandbox);
    for customer in sandbox.customers() {
        let Some(email) = customer.email else {
            continue;
        };
        let payload = json!({"email": email.to_uppercase(),
            "attributes": {"comms": {"post_service": false}}});
        let response = sign_up(service.clone(), payload.to_string()).await;
        // Upper case letters beyond ASCII are different letters, and so a different person.
        if email.is_ascii() {
            assert_eq!(
                response.extensions().get(),
                Some(&UpsertOutcome::Updated),
                "{email}"
            );
            let comms = &sandbox.profile(&customer.id).unwrap()["attributes"]["comms"];
            assert_eq!(comms["post_service"], false, "{email}");
        }
    }
}

#[tokio::test]
async fn wildcards_and_parts_of_addresses_are_new_people() {
    let sandbox = Sandbox::new();
    let service = in_front_of(&sandbox);
    let before = sandbox.profiles();
    let new_emails = [
        "%@example.com",
        "_da.lovelace@example.com",
        "a@example.com",
        "lovelace@example.com",
        "ada.lovelace@example.co",
        "*@example.com",
        "kim%2Bvip@example.com",
        r#""ada,lovelace"@example.com"#,
        "ada.lovelace%00@example.com",
        "ada*@example.com",
        "ada.lovelace@example.com.evil.example",
        // Cyrillic, accented, dotted, dotless, Kelvin and fullwidth letters are different letters.
        "\u{430}da.lovelace@example.com",
        "ad\u{e1}.lovelace@example.com",
        "ada.lovelace@ex\u{430}mple.com",
        "k\u{130}m+vip@example.com",
        "k\u{131}m+vip@example.com",
        "\u{ff41}da.lovelace@example.com",
    ];
    for email in new_emails {
        let payload = json!({"email": email, "attributes": {"comms": {"sms_optout": true}}});
        let response = sign_up(service.clone(), payload.to_string()).await;
        assert_eq!(
            response.extensions().get(),
            Some(&UpsertOutcome::Created),
            "{email}"
        );
    }
    assert_eq!(sandbox.profiles()[..before.len()], before[..]);
    assert_eq!(sandbox.profiles().len(), before.len() + new_emails.len());
}

/// Members that a framework may interpret as more than a field of a profile.
const MASS_ASSIGNMENT: &[&str] = &[
    r#""id":"ID""#,
    r#""profile_id":"ID""#,
    r#""_method":"DELETE""#,
    r#""_method":"PUT","id":"ID""#,
    r#""data":{"id":"ID","email":"eve@example.com"}"#,
    r#""profile":{"id":"ID"},"user":{"is_admin":true},"is_admin":true"#,
    r#""attributes":{"comms":{"profile_id":"ID"}}"#,
    r#""attributes":{"comms":{"id":"ID","updated_at":"2000-01-01 00:00:00"}}"#,
    r#""attributes":{"attributes":{"comms":{"email_promo":false}}}"#,
    r#""attributes":{"comms":{"comms":{"email_promo":false}}}"#,
    r#""attributes":{"comms":{"attributes":{"comms":{"email_promo":false}}}}"#,
    r#""attributes.comms.email_promo":false,"attributes.comms":{"email_promo":false}"#,
    r#""attributes[comms][email_promo]":false,"attributes[comms":{"email_promo":false}"#,
    r#""comms":{"email_promo":false},"comms.email_promo":false"#,
    r#""__proto__":{"attributes":{"comms":{"email_promo":false}}}"#,
    r#""constructor":{"prototype":{"email_promo":false}},"prototype":{"id":"ID"}"#,
    r#""attributes":{"__proto__":{"comms":{"email_promo":false}}}"#,
    concat!(
        r#""attributes":{"comms":{"__proto__":{"email_promo":false},"#,
        r#""constructor":{"email_promo":false}}}"#
    ),
    concat!(
        r#""attributes":{"comms":{"Email_Promo":false,"email_promo ":false,"#,
        r#"" email_promo":false,"email-promo":false,"emailPromo":false}}"#
    ),
    concat!(
        r#""attributes":{"comms":{"email_promo\u0000":false,"#,
        r#""email_promo[]":false,"email_promo.0":false,"*":false}}"#
    ),
    r#""attributes":{"comms":{"email_bounced":true,"email_verification":"verified"}}"#,
    r#""identities":[{"handle":"x","identifier":"y","profile_id":"ID","id":1}]"#,
    r#""addresses":[{"id":1,"profile_id":"ID"}],"tags":["vip"]"#,
    r#""point_balance":1000000,"reward_balance":1000000,"profile_type":"system""#,
];

#[tokio::test]
async fn mass_assignment_does_not_change_existing_profiles() {
    let sandbox = Sandbox::new();
    let service = in_front_of(&sandbox);
    let before = sandbox.profiles();
    for (index, members) in MASS_ASSIGNMENT.iter().enumerate() {
        let members = members.replace("ID", Sandbox::GRACE_ID);
        for email in [
            Sandbox::ADA_EMAIL.to_owned(),
            format!("new{index}@example.com"),
        ] {
            let payload = format!(r#"{{"email":"{email}",{members}}}"#);
            let response = sign_up(service.clone(), payload).await;
            assert!(
                matches!(response.status().as_u16(), 200 | 422),
                "{members}: {response:?}"
            );
            assert_eq!(sandbox.profiles()[..before.len()], before[..], "{members}");
        }
    }
    let mut ids: Vec<_> = sandbox
        .profiles()
        .into_iter()
        .map(|profile| profile["id"].to_string())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), sandbox.profiles().len());
}

/// The tenant's collation folds letters that this layer distinguishes. The response does not reveal
/// the other profile.
#[tokio::test]
async fn letters_that_only_the_tenant_folds_do_not_reveal_a_customer() {
    let sandbox = Sandbox::new();
    let service = in_front_of(&sandbox);
    for (email, folded) in [
        ("zoë@example.com", "ZOË@example.com"),
        ("\u{e5}sa@example.org", "\u{212b}sa@example.org"),
    ] {
        sign_up(service.clone(), json!({"email": email}).to_string()).await;
        let before = sandbox.profiles();
        assert_eq!(before.last().unwrap()["email"], email);
        let payload =
            json!({"email": folded, "attributes": {"comms": {"email_optout": true}}}).to_string();
        let response = sign_up(service.clone(), payload).await;
        assert_eq!(rejection_kind(&response), RejectionKind::TenantAnswer);
        assert!(!String::from_utf8_lossy(response.body()).contains("taken"));
        assert_eq!(sandbox.profiles(), before);
    }
}

#[tokio::test]
async fn a_retry_completes_a_sign_up_with_a_lost_response() {
    use omneo_id::sandbox::Fault;

    let sandbox = Sandbox::new();
    let service = in_front_of(&sandbox);
    let before = sandbox.profiles().len();
    let payload = r#"{"email":"new@example.com","attributes":{"comms":{"sms_promo":true}}}"#;
    sandbox.inject(Fault::reset().after_effect().on_method(Method::POST));
    let lost = service.clone().oneshot(post(payload)).await;
    assert!(lost.is_err(), "the error of the inner service is returned");
    let response = sign_up(service, payload.to_owned()).await;
    assert_eq!(response.extensions().get(), Some(&UpsertOutcome::Updated));
    assert_eq!(sandbox.profiles().len(), before + 1);
}

// The naive model.

/// The consent that the sequences set.
const FLAGS: [&str; 3] = ["email_promo", "email_optout", "sms_promo"];

/// People: most are seeded, one address has a `+`, one person has a phone number only, and the last
/// two are new.
const PEOPLE: [(&str, Option<&str>); 6] = [
    (Sandbox::ADA_EMAIL, None),
    (Sandbox::GRACE_EMAIL, None),
    (Sandbox::KIM_EMAIL, None),
    ("ada.elsewhere@example.org", Some(Sandbox::ADA_PHONE)),
    ("new+one@example.com", Some("+61 491 570 999")),
    ("new_two@example.com", None),
];

/// The index of the first person without a seeded profile.
const NEW: usize = 4;

#[derive(Clone, Debug)]
struct Step {
    person: usize,
    is_uppercase: bool,
    first_name: Option<String>,
    flags: BTreeMap<&'static str, bool>,
}

impl Step {
    fn payload(&self) -> String {
        let (email, phone) = PEOPLE[self.person];
        let email = if self.is_uppercase {
            email.to_uppercase()
        } else {
            email.to_owned()
        };
        let mut payload = json!({"email": email, "attributes": {"comms": self.flags}});
        if let Some(phone) = phone {
            payload["mobile_phone"] = json!(phone);
        }
        if let Some(name) = &self.first_name {
            payload["first_name"] = json!(name);
        }
        payload.to_string()
    }
}

fn step() -> impl Strategy<Value = Step> {
    let flags =
        proptest::collection::btree_map(proptest::sample::select(&FLAGS[..]), any::<bool>(), 0..=3);
    let name = proptest::option::of("[A-Z][a-z]{1,5}");
    (0..PEOPLE.len(), any::<bool>(), name, flags).prop_map(
        |(person, is_uppercase, first_name, flags)| Step {
            person,
            is_uppercase,
            first_name,
            flags,
        },
    )
}

/// The modelled state of a person.
#[derive(Clone, Debug, PartialEq)]
struct ProfileState {
    first_name: Value,
    flags: BTreeMap<&'static str, Value>,
}

impl ProfileState {
    fn from_profile(profile: &Value) -> Self {
        let comms = &profile["attributes"]["comms"];
        Self {
            first_name: profile["first_name"].clone(),
            flags: FLAGS.map(|flag| (flag, comms[flag].clone())).into(),
        }
    }

    /// The state after a creation by this step.
    fn new(step: &Step) -> Self {
        let flag = |flag| match (flag, step.flags.get(flag)) {
            (_, Some(value)) => json!(value),
            ("email_promo", _) => json!(true),
            ("email_optout", _) => json!(false),
            _ => Value::Null,
        };
        Self {
            first_name: json!(step.first_name.as_deref().unwrap_or("unknown")),
            flags: FLAGS.map(|name| (name, flag(name))).into(),
        }
    }

    /// All possible states after these steps in any order: the first step creates the profile, and
    /// the others write their flags.
    fn after(before: Option<&Self>, steps: &[&Step]) -> Vec<Self> {
        if steps.is_empty() {
            return before.cloned().into_iter().collect();
        }
        let mut ends = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let mut rest = steps.to_vec();
            rest.remove(index);
            let next = match before {
                None => Self::new(step),
                Some(known) => {
                    let mut known = known.clone();
                    known
                        .flags
                        .extend(step.flags.iter().map(|(flag, value)| (*flag, json!(value))));
                    known
                }
            };
            ends.extend(Self::after(Some(&next), &rest));
        }
        ends
    }
}

/// Maps the people that a look-up finds as one profile to one index.
fn same_person(person: usize) -> usize {
    if PEOPLE[person].1 == Some(Sandbox::ADA_PHONE) {
        0
    } else {
        person
    }
}

fn find(sandbox: &Sandbox, person: usize) -> Option<Value> {
    let (email, _) = PEOPLE[person];
    sandbox.profiles().into_iter().find(|profile| {
        profile["email"]
            .as_str()
            .is_some_and(|other| other.eq_ignore_ascii_case(email))
    })
}

/// A profile without the fields that a sign-up may change.
fn unchangeable(mut profile: Value) -> Value {
    let profile_members = profile.as_object_mut().unwrap();
    let comms = profile_members["attributes"]["comms"]
        .as_object_mut()
        .unwrap();
    let kept: Map<_, _> = std::mem::take(comms)
        .into_iter()
        .filter(|(name, _)| !FLAGS.contains(&name.as_str()) && name != "updated_at")
        .collect();
    *comms = kept;
    profile_members.remove("updated_at");
    profile
}

async fn run(batches: Vec<Vec<Step>>) {
    let sandbox = Sandbox::new();
    let before: Vec<Value> = sandbox.profiles().into_iter().map(unchangeable).collect();
    let count = AtomicU64::new(0);
    let count = Arc::new(count);
    let pause_before = move |_: &Method| -> Pause {
        let turns = count.fetch_add(1, Ordering::Relaxed).wrapping_mul(7) % 5;
        Box::pin(async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        })
    };
    // Two processes with two connections each.
    let processes = [(); 2]
        .map(|()| CommsUpsert::new(tenant(&sandbox, pause_before.clone()), CommsPolicy::new()));
    let people = |model: &mut BTreeMap<usize, ProfileState>| {
        for person in 0..PEOPLE.len() {
            if let Some(profile) = find(&sandbox, person) {
                model.insert(person, ProfileState::from_profile(&profile));
            }
        }
    };
    let mut model = BTreeMap::new();
    people(&mut model);
    for batch in batches {
        let mut waiting = Vec::new();
        for (index, step) in batch.iter().enumerate() {
            let process = processes[index % 2].clone();
            waiting.push(tokio::spawn(sign_up(process, step.payload())));
        }
        for response in waiting {
            let response = response.await.unwrap();
            assert_eq!(
                (response.status().as_u16(), response.body().as_ref()),
                (200, SUCCESS.as_bytes())
            );
        }
        let mut seen = BTreeMap::new();
        people(&mut seen);
        for person in 0..PEOPLE.len() {
            let steps: Vec<&Step> = batch
                .iter()
                .filter(|step| same_person(step.person) == person)
                .collect();
            match seen.get(&person) {
                None => assert!(steps.is_empty(), "every person has a profile"),
                Some(known) => {
                    let possible = ProfileState::after(model.get(&person), &steps);
                    assert!(
                        possible.contains(known),
                        "{known:?} is none of {possible:?}"
                    );
                }
            }
        }
        model = seen;
    }
    let after: Vec<Value> = sandbox.profiles().into_iter().map(unchangeable).collect();
    assert_eq!(
        after[..before.len()],
        before[..],
        "only consent has changed"
    );
    let created = model.keys().filter(|person| **person >= NEW).count();
    assert_eq!(
        after.len(),
        before.len() + created,
        "every person has one profile"
    );
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn concurrent_sign_ups_end_as_the_naive_model_does(
        batches in proptest::collection::vec(proptest::collection::vec(step(), 1..5), 1..6)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(run(batches));
    }
}
