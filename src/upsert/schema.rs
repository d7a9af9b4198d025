//! The documented profile, as a table.

/// What a value must be. Null passes wherever it is not required.
#[derive(Debug)]
pub(super) enum Rule {
    /// A string of at most so many characters.
    Text(usize),
    Email,
    Phone,
    /// An absolute `http` or `https` URL.
    Url,
    /// A date, with or without a time of day.
    Moment,
    /// An integer in this range, both ends included.
    Integer(i64, i64),
    Number,
    Flag,
    /// Something that names another record: text, or an integer.
    Key,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Three capital letters, [ISO 4217](https://www.iso.org/iso-4217-currency-codes.html).
    Currency,
    /// A list, each item by this rule and none of them null.
    List(&'static Self),
    /// An object with these fields, and any others.
    Object(&'static [Field]),
    /// The comms attribute: the fields that the policy recognises.
    Comms,
}

/// A field, its rule, and whether it may be absent.
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

/// As long as a string column of the tenant's framework is, unless made otherwise.
pub(super) const LINE: usize = 255;

/// As long as a URL gets.
pub(super) const LONG: usize = 2048;

/// The fields of a profile. Others are no errors, and pass on creation.
pub(super) const PROFILE: &[Field] = &[
    required("email", Rule::Email),
    optional("mobile_phone", Rule::Phone),
    optional("secondary_phone", Rule::Phone),
    optional("first_name", Rule::Text(LINE)),
    optional("last_name", Rule::Text(LINE)),
    optional("full_name", Rule::Text(2 * LINE + 1)),
    optional("title", Rule::Text(LINE)),
    optional("company", Rule::Text(LINE)),
    optional("occupation", Rule::Text(LINE)),
    optional(
        "gender",
        Rule::OneOf(&["male", "female", "withheld", "other"]),
    ),
    optional("birth_day", Rule::Integer(1, 31)),
    optional("birth_month", Rule::Integer(1, 12)),
    optional("birth_year", Rule::Integer(1900, 2100)),
    optional("avatar_url", Rule::Url),
    optional("currency", Rule::Currency),
    optional("joined_at", Rule::Moment),
    optional("region_id", Rule::Key),
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
    optional("tags", Rule::List(&Rule::Text(LINE))),
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
    required("handle", Rule::Text(LINE)),
    required("identifier", Rule::Key),
    optional("is_primary", Rule::Flag),
    optional("is_active", Rule::Flag),
];

const ATTRIBUTES: &[Field] = &[
    optional("comms", Rule::Comms),
    optional("appearance", Rule::Object(&[])),
];
