//! The seeded profiles.

use std::collections::HashSet;

use omneo_id::sandbox::Sandbox;

#[test]
fn every_sandbox_has_the_same_seed() {
    assert_eq!(Sandbox::new().profiles(), Sandbox::new().profiles());
}

#[test]
fn ids_addresses_numbers_and_identities_are_unique() {
    let customers = Sandbox::new().customers();
    assert_eq!(customers.len(), 28);
    let mut seen = HashSet::new();
    for customer in &customers {
        assert!(seen.insert(customer.id.clone()), "{}", customer.id);
        assert!(
            seen.insert(customer.email.clone().unwrap().to_lowercase()),
            "{:?}",
            customer.email
        );
        if let Some(phone) = &customer.mobile_phone {
            assert!(seen.insert(phone.clone()), "{phone}");
        }
        for identity in &customer.identities {
            let name = format!("{}:{}", identity.handle, identity.identifier);
            assert!(seen.insert(name.clone()), "{name}");
        }
        let parts: Vec<usize> = customer.id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert!(
            customer
                .id
                .bytes()
                .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
        );
    }
}

#[test]
fn the_profiles_of_the_examples_are_seeded() {
    let sandbox = Sandbox::new();
    for (id, email) in [
        (Sandbox::ADA_ID, Sandbox::ADA_EMAIL),
        (Sandbox::GRACE_ID, Sandbox::GRACE_EMAIL),
        (Sandbox::ALAN_ID, Sandbox::ALAN_EMAIL),
        (Sandbox::GRETA_ID, Sandbox::GRETA_EMAIL),
        (Sandbox::ZOE_ID, Sandbox::ZOE_EMAIL),
        (Sandbox::KIM_ID, Sandbox::KIM_EMAIL),
    ] {
        assert_eq!(sandbox.profile(id).unwrap()["email"], email);
    }
    assert!(sandbox.profile(Sandbox::ALAN_ID).unwrap()["mobile_phone"].is_null());
    let greta = sandbox.profile(Sandbox::GRETA_ID).unwrap();
    for channel in ["email", "push", "sms", "phone", "post"] {
        assert_eq!(
            greta["attributes"]["comms"][format!("{channel}_optout")],
            true
        );
    }
    assert_eq!(
        sandbox.collection(Sandbox::ADA_ID, "transactions").len(),
        23
    );
}

#[test]
fn every_profile_has_a_wishlist() {
    let sandbox = Sandbox::new();
    for customer in sandbox.customers() {
        let lists = sandbox.collection(&customer.id, "lists");
        assert_eq!(lists[0]["handle"], Sandbox::WISHLIST);
        assert_eq!(lists[0]["items"].as_array().unwrap().len(), 2);
    }
}
