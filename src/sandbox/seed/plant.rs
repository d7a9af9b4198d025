//! Putting the seed into a store.

use super::belongings::{self, SOWN};
use super::locations;
use super::people::PEOPLE;
use crate::sandbox::handlers::connections::connection;
use crate::sandbox::service::Sandbox;
use crate::sandbox::store::Store;

/// Connector, connected, status.
const CONNECTIONS: [(&str, &str, &str); 4] = [
    (Sandbox::ADA_ID, Sandbox::GRACE_ID, "accepted"),
    (Sandbox::ALAN_ID, Sandbox::ADA_ID, "pending"),
    (Sandbox::GRETA_ID, Sandbox::ZOE_ID, "rejected"),
    (Sandbox::KIM_ID, Sandbox::ZOE_ID, "accepted"),
];

pub(crate) fn plant(store: &mut Store) {
    for (place, person) in PEOPLE.iter().enumerate() {
        let profile = belongings::profile(store, place, person);
        store.profiles.push(profile);
    }
    for ((connector, connected, status), number) in CONNECTIONS.into_iter().zip(1..) {
        store
            .connections
            .push(connection(number, connector, connected, status, SOWN));
    }
    store.locations = locations::all();
}
