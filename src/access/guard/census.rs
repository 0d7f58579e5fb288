//! How many there are in each scope of a snapshot: what is remembered of it apart from it.

use std::collections::BTreeMap;

use super::{Part, ScopeCounts};

/// Beyond this many owners only their sums are remembered: the counts go into the object's status, which is small.
pub const OWNERS_COUNTED: usize = 200;

/// How many there are of one kind of user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Headcount {
    /// All of them.
    pub all: u64,
    /// Those of them who may sign in.
    pub enabled: u64,
}

/// How many there are in each scope of a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    counts: ScopeCounts,
    /// The names of the owners, by their ids.
    names: BTreeMap<String, String>,
}

impl Census {
    /// Of an account with so many people and service accounts. The enabled are a scope of their own, such as `enabled
    /// users`.
    pub fn of_users(people: Headcount, service_accounts: Headcount) -> Self {
        let mut counts = ScopeCounts::new();
        for (part, headcount) in [(Part::Users, people), (Part::ServiceAccounts, service_accounts)] {
            // Without users there is still something to remember: that there were none.
            if part == Part::Users || headcount.all > 0 {
                counts.insert(part.word().to_owned(), headcount.all);
                counts.insert(format!("enabled {}", part.word()), headcount.enabled);
            }
        }
        Self { counts, names: BTreeMap::new() }
    }

    /// Adds one owner, such as `organization:a1b2c3d4e5f6`, with the numbers of [`Part::OF_OWNER`].
    pub fn add_owner(&mut self, id: &str, name: String, counts: [u64; 3]) {
        let scopes = Part::OF_OWNER.into_iter().map(|part| part.id(id));
        self.counts.extend(scopes.zip(counts));
        self.names.insert(id.to_owned(), name);
    }

    /// What is remembered: the count of each scope, or, beyond [`OWNERS_COUNTED`] owners, the sum for each part under
    /// the type's id alone, such as `organization/members`, and the number of owners as `organization/owners`.
    pub fn remembered(&self) -> ScopeCounts {
        if self.names.len() > OWNERS_COUNTED { self.sums() } else { self.counts.clone() }
    }

    /// The counts under the ids that `other` has, be they of single owners or sums.
    pub(super) fn counted_like(&self, other: &ScopeCounts) -> ScopeCounts {
        if other.keys().any(|id| is_sum(id)) { self.sums() } else { self.counts.clone() }
    }

    /// The scope `id` as a person reads it.
    pub(super) fn title(&self, id: &str) -> String {
        let Some((owner, word)) = id.rsplit_once('/') else { return id.to_owned() };
        let part = Part::OF_OWNER.into_iter().find(|part| part.word() == word);
        match (part, self.names.get(owner)) {
            _ if is_sum(id) && part.is_none() => format!("{owner}s"),
            (Some(part), _) if is_sum(id) => part.title(&format!("all {owner}s")),
            (Some(part), name) => part.title(name.map_or(owner, String::as_str)),
            (None, _) => id.to_owned(),
        }
    }

    fn sums(&self) -> ScopeCounts {
        let mut sums = ScopeCounts::new();
        for (id, count) in &self.counts {
            match id.split_once(':').zip(id.rsplit_once('/')) {
                Some(((owner, _), (_, word))) => *sums.entry(format!("{owner}/{word}")).or_default() += count,
                None => *sums.entry(id.clone()).or_default() += count,
            }
        }
        for id in self.names.keys() {
            if let Some((owner, _)) = id.split_once(':') {
                *sums.entry(Part::Owner.id(owner)).or_default() += 1;
            }
        }
        sums
    }
}

fn is_sum(id: &str) -> bool {
    id.contains('/') && !id.contains(':')
}
