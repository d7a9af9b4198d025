/// How the tenant's list filters compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Matching {
    /// As a real tenant: `filter[email]=a@b.c` finds every address that contains this text,
    /// ignoring case, and `%` and `_` are wildcards.
    #[default]
    Loose,
    /// The whole value must be equal; case is still ignored.
    Exact,
}
