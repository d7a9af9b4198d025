//! Inserts the seed into a store.

use super::belongings::{self, SOWN};
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
