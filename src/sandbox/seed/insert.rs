//! Inserts the seed into a store.

use super::belongings::{self, CREATED_AT};
use super::locations;
use super::people::PEOPLE;
use crate::sandbox::records::connection;
use crate::sandbox::seed::names;
use crate::sandbox::store::Store;

/// Connector, connected, status.
const CONNECTIONS: [(&str, &str, &str); 4] = [
    (names::ADA_ID, names::GRACE_ID, "accepted"),
    (names::ALAN_ID, names::ADA_ID, "pending"),
    (names::GRETA_ID, names::ZOE_ID, "rejected"),
    (names::KIM_ID, names::ZOE_ID, "accepted"),
];

pub(crate) fn insert(store: &mut Store) {
    for (index, person) in PEOPLE.iter().enumerate() {
        let profile = belongings::profile(store, index, person);
        store.profiles.push(profile);
    }
    for ((connector, connected, status), number) in CONNECTIONS.into_iter().zip(1..) {
        store
            .connections
            .push(connection(number, connector, connected, status, CREATED_AT));
    }
    store.locations = locations::all();
}
