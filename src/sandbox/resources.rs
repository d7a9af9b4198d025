//! The table of the lists below a profile.

/// One kind of list below a profile, or inside an item of one.
#[derive(Debug)]
pub(crate) struct Collection {
    /// The path below the profile or the item, which is also the key in the store.
    pub(crate) path: &'static str,
    pub(crate) listing: Listing,
    pub(crate) access: Access,
    pub(crate) removal: Removal,
    /// The required fields of a new item.
    pub(crate) required: &'static [&'static str],
    /// Lists inside each item.
    pub(crate) children: &'static [Self],
}

/// The JSON form of the whole list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    /// `{data, links, meta}`.
    Paged,
    /// `{data}`.
    Plain,
    /// A bare paginator.
    Bare,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    /// As `Write`; a PUT to an item that is not there creates it.
    Upsert,
}

/// The response to the removal of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    NoContent,
    /// 200 with the remaining items.
    Remaining,
}

/// The target of a path: a list, an item of it, or a list inside an item.
#[derive(Clone, Debug)]
pub(crate) struct SubResource {
    pub(crate) collection: &'static Collection,
    pub(crate) key: Option<String>,
    pub(crate) child: Option<(&'static Collection, Option<String>)>,
}

impl SubResource {
    /// The innermost list that the path names, and the item in it.
    pub(crate) fn innermost(&self) -> (&'static Collection, Option<&str>) {
        match &self.child {
            Some((child, key)) => (child, key.as_deref()),
            None => (self.collection, self.key.as_deref()),
        }
    }
}

const fn read(path: &'static str) -> Collection {
    Collection {
        path,
        listing: Listing::Paged,
        access: Access::Read,
        removal: Removal::NoContent,
        required: &[],
        children: &[],
    }
}

const fn plain(path: &'static str) -> Collection {
    Collection {
        listing: Listing::Plain,
        ..read(path)
    }
}

const fn write(path: &'static str, required: &'static [&'static str]) -> Collection {
    Collection {
        access: Access::Write,
        required,
        ..read(path)
    }
}

/// Longer paths come first where one begins with another.
static COLLECTIONS: [Collection; 32] = [
    write("addresses", &["address_line_1"]),
    Collection {
        listing: Listing::Plain,
        removal: Removal::Remaining,
        ..write("attributes/dates", &["name", "date"])
    },
    Collection {
        listing: Listing::Plain,
        access: Access::Upsert,
        ..write("attributes/custom", &["namespace", "handle", "value"])
    },
    Collection {
        access: Access::Upsert,
        ..write("custom-fields", &["namespace", "handle", "value"])
    },
    write("identities/id", &["handle", "identifier"]),
    write("identities", &["handle", "identifier"]),
    Collection {
        children: &[
            Collection {
                removal: Removal::Remaining,
                ..write("items", &[])
            },
            write("shares", &["email"]),
            Collection {
                access: Access::Upsert,
                ..write("custom-fields", &["namespace", "handle", "value"])
            },
        ],
        ..write("lists", &["name"])
    },
    write("rewards", &["value"]),
    write("points", &["points"]),
    write("benefits", &["name"]),
    read("redeemable_benefits"),
    read("redemptions"),
    write("credits", &["value"]),
    plain("tiers"),
    write("transactions/claims", &["external_id"]),
    Collection {
        children: &[read("items")],
        ..write("transactions", &["external_id"])
    },
    plain("transactionitems/list/unassigned"),
    read("transaction-products"),
    Collection {
        listing: Listing::Bare,
        ..read("group_transactions")
    },
    Collection {
        listing: Listing::Bare,
        ..read("group_orders")
    },
    Collection {
        children: &[read("items")],
        ..write("orders", &[])
    },
    write("regions", &[]),
    write("interactions", &["type"]),
    read("ledgers"),
    plain("aggregations"),
    write("achievements", &["name"]),
    write("appointments", &["starts_at"]),
    write("tags", &["name"]),
    write("notes", &["text"]),
    write("subscriptions", &["name"]),
    read("devices"),
    read("activities"),
];

/// The target of a path below a profile, if it is a list or inside one.
pub(crate) fn sub_resource(rest: &[&str]) -> Option<SubResource> {
    COLLECTIONS.iter().find_map(|collection| {
        let mut below = rest;
        for segment in collection.path.split('/') {
            below = below.strip_prefix(&[segment])?;
        }
        let sub_resource = |key: Option<&&str>, child| {
            Some(SubResource {
                collection,
                key: key.map(|key| (*key).to_owned()),
                child,
            })
        };
        match below {
            [] => sub_resource(None, None),
            [key] => sub_resource(Some(key), None),
            [key, name, deeper @ ..] => {
                let child = collection
                    .children
                    .iter()
                    .find(|child| child.path == *name)?;
                match deeper {
                    [] => sub_resource(Some(key), Some((child, None))),
                    [inner] => sub_resource(Some(key), Some((child, Some((*inner).to_owned())))),
                    _ => None,
                }
            }
        }
    })
}
