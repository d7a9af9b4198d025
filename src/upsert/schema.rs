//! The documented schema of a profile, as a table.

/// The rule for a value. Null is valid for every optional field.
#[derive(Debug)]
pub(super) enum Rule {
    /// A string with at most this number of characters.
    Text(usize),
    Email,
    Phone,
    /// An absolute `http` or `https` URL.
    Url,
    /// A date, with or without a time of day.
    DateTime,
    /// An integer in this range, both ends included.
    Integer(i64, i64),
    Number,
    Flag,
    /// Accepted terms: a flag, a number, or text.
    Terms,
    /// The identifier of another record: text, or an integer.
    Id,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// Three capital letters, [ISO 4217](https://www.iso.org/iso-4217-currency-codes.html).
    Currency,
    /// A list of values that follow this rule. Null items are invalid.
    List(&'static Self),
    /// An object with these fields. Further fields are valid.
    Object(&'static [Field]),
    /// The comms attribute, whose fields the policy recognizes.
    Comms,
}

/// A field, its rule, and whether it is required.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) rule: Rule,
    pub(super) required: bool,
}

const fn optional(name: &'static str, rule: Rule) -> Field {
    Field {
        name,
        rule,
        required: false,
    }
}

const fn required(name: &'static str, rule: Rule) -> Field {
    Field {
        name,
        rule,
        required: true,
    }
}

/// The default length of a string column in Laravel, the tenant's framework.
pub(super) const MAX_STRING: usize = 255;

/// A usual upper bound for the length of a URL.
pub(super) const MAX_URL: usize = 2048;

/// The documented fields of a profile. A creation forwards other fields unchecked.
pub(super) const PROFILE: &[Field] = &[
    required("email", Rule::Email),
    optional("mobile_phone", Rule::Phone),
    optional("secondary_phone", Rule::Phone),
    optional("first_name", Rule::Text(MAX_STRING)),
    optional("last_name", Rule::Text(MAX_STRING)),
    optional("full_name", Rule::Text(2 * MAX_STRING + 1)),
    optional("title", Rule::Text(MAX_STRING)),
    optional("company", Rule::Text(MAX_STRING)),
    optional("occupation", Rule::Text(MAX_STRING)),
    optional(
        "gender",
        Rule::OneOf(&["male", "female", "withheld", "other"]),
    ),
    optional("birth_day", Rule::Integer(1, 31)),
    optional("birth_month", Rule::Integer(1, 12)),
    optional("birth_year", Rule::Integer(1900, 2100)),
    optional("avatar_url", Rule::Url),
    optional("currency", Rule::Currency),
    optional("joined_at", Rule::DateTime),
    optional("region_id", Rule::Id),
    optional(
        "profile_type",
        Rule::OneOf(&[
            "temporary",
            "dependant",
            "incomplete",
            "pending",
            "system",
            "active",
            "deleted",
        ]),
    ),
    optional("tags", Rule::List(&Rule::Text(MAX_STRING))),
    optional("addresses", Rule::List(&Rule::Object(&[]))),
    optional("dates_attributes", Rule::List(&Rule::Object(&[]))),
    optional("identities", Rule::List(&Rule::Object(IDENTITY))),
    optional("attributes", Rule::Object(ATTRIBUTES)),
    optional("reward_balance", Rule::Number),
    optional("point_balance", Rule::Number),
    optional("point_balance_dollars", Rule::Number),
    optional("benefit_balance", Rule::Number),
    optional("combined_balance_dollars", Rule::Number),
];

const IDENTITY: &[Field] = &[
    required("handle", Rule::Text(MAX_STRING)),
    required("identifier", Rule::Id),
    optional("is_primary", Rule::Flag),
    optional("is_active", Rule::Flag),
];

const ATTRIBUTES: &[Field] = &[
    optional("comms", Rule::Comms),
    optional("appearance", Rule::Object(&[])),
];
