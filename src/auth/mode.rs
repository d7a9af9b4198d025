/// How a layer treats requests without a valid token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthMode {
    /// Rejects them.
    #[default]
    Required,
    /// Forwards requests without a credential, with an [`AuthOutcome`] in their extensions. Rejects
    /// requests with an invalid token.
    ///
    /// [`AuthOutcome`]: super::AuthOutcome
    Optional,
    /// Forwards every request, with an [`AuthOutcome`] in its extensions. Use it to measure how
    /// many requests [`Required`](Self::Required) would reject. [`JwtAuthLayer::with_mode`] has an
    /// example.
    ///
    /// [`AuthOutcome`]: super::AuthOutcome
    /// [`JwtAuthLayer::with_mode`]: super::JwtAuthLayer::with_mode
    Observe,
}
