//! Who was seen so far, in as few bytes as will do: the one thing that grows with the account.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;

use super::super::paging::Fault;
use super::super::text::clean;

/// The users seen in a run, across organizations, each as a hash of the id and of the email. The hashes are keyed
/// anew for each run. Two ids that share one look like a repeated member or like two emails under one id, and
/// either fails the run: nobody is lost.
#[derive(Debug, Default)]
pub(super) struct Users {
    seen: HashMap<u64, Seen>,
    key: RandomState,
}

#[derive(Debug)]
struct Seen {
    /// The last organization in whose members the user was.
    organization: u32,
    /// Known as soon as a user's record was made.
    email: Option<NonZeroU32>,
}

impl Users {
    /// Notes that the user `id` is among the members of `organization`; `false` where that was known.
    pub(super) fn join(&mut self, id: &str, organization: u32) -> bool {
        match self.seen.entry(self.key.hash_one(id)) {
            Entry::Vacant(entry) => {
                entry.insert(Seen { organization, email: None });
                true
            }
            Entry::Occupied(mut entry) => {
                let before = std::mem::replace(&mut entry.get_mut().organization, organization);
                before != organization
            }
        }
    }

    /// Notes the email of a user who has joined; `true` the first time. One id has one email.
    pub(super) fn introduce(&mut self, id: &str, email: &str) -> Result<bool, Fault> {
        let hash = self.email_hash(email);
        let Some(user) = self.seen.get_mut(&self.key.hash_one(id)) else { return Ok(true) };
        match user.email.replace(hash) {
            None => Ok(true),
            Some(known) if known == hash => Ok(false),
            Some(_) => Err(two_emails(id)),
        }
    }

    /// Is the user `id` among the members of `organization`, the last one whose members were read?
    pub(super) fn has_joined(&self, id: &str, email: &str, organization: u32) -> Result<bool, Fault> {
        match self.seen.get(&self.key.hash_one(id)) {
            Some(user) if user.email.is_some_and(|known| known != self.email_hash(email)) => {
                Err(two_emails(id))
            }
            Some(user) => Ok(user.organization == organization),
            None => Ok(false),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
    fn email_hash(&self, email: &str) -> NonZeroU32 {
        NonZeroU32::new(self.key.hash_one(email) as u32).unwrap_or(NonZeroU32::MIN)
    }
}

fn two_emails(id: &str) -> Fault {
    Fault::Unexpected(format!("the user {} has two different emails", clean(id, 40)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_joins_each_organization_once_and_is_introduced_once() {
        let mut users = Users::default();
        assert!(users.join("u1", 0));
        assert!(!users.join("u1", 0));
        assert_eq!(users.introduce("u1", "ada@example.com"), Ok(true));
        assert!(users.join("u1", 1));
        assert_eq!(users.introduce("u1", "ada@example.com"), Ok(false));
        assert_eq!(users.has_joined("u1", "ada@example.com", 1), Ok(true));
        assert_eq!(users.has_joined("u1", "ada@example.com", 2), Ok(false));
        assert_eq!(users.has_joined("u2", "ada@example.com", 1), Ok(false));
    }

    #[test]
    fn two_emails_under_one_id_are_two_users() {
        let mut users = Users::default();
        users.join("u1", 0);
        users.introduce("u1", "ada@example.com").unwrap();
        assert!(users.has_joined("u1", "eve@example.com", 0).is_err());
        assert!(users.introduce("u1", "eve@example.com").is_err());
    }

    #[test]
    fn what_is_kept_of_a_user_is_small() {
        assert!(size_of::<(u64, Seen)>() <= 16);
    }
}
