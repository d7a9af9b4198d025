use crate::identity::ProfileId;

/// In the extensions of a request that was rewritten from `/profiles/me` to `/profiles/{pid}`:
/// whose it is, and how to name a path under it as its client would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeRequest {
    profile: ProfileId,
    depth: usize,
}

impl MeRequest {
    /// `depth` is the number of slashes in the public request's path behind the mount.
    pub fn new(profile: ProfileId, depth: usize) -> Self {
        Self { profile, depth }
    }

    /// The profile that `me` stands for.
    pub fn profile(&self) -> &ProfileId {
        &self.profile
    }

    /// What lies behind `/profiles/{pid}` as a reference relative to the public request:
    /// `/addresses/7` is `../profiles/me/addresses/7` for a client that asked for `/profiles/me`.
    pub fn public_path(&self, remainder: &str) -> String {
        let up = match self.depth {
            0 | 1 => "./".to_owned(),
            depth => "../".repeat(depth - 1),
        };
        format!("{up}profiles/me{remainder}")
    }
}
