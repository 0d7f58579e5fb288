//! What a new snapshot means for people: who and what came and went, who may sign in again or no longer, and which
//! roles were given and taken.

use std::fmt::Write;

use super::{Changes, in_words, thousands};

/// What changed about access between two snapshots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessNews {
    /// What came and went, per scope: the plural of each resource type, `grants`, and where roles are held, `members`,
    /// `administrators` and `memberships`.
    pub changes: Changes,
    /// How many users may sign in who could not before.
    pub enabled: u64,
    /// How many users may no longer sign in.
    pub disabled: u64,
    /// The first of them, one text each: `+` came, `-` went, `enabled` or `disabled`, and the id.
    pub lines: Vec<String>,
    /// How many there are besides those lines.
    pub more: u64,
}

impl AccessNews {
    /// So many lines are kept.
    pub const LINES: usize = 12;

    /// Is anybody's access another than before? A changed name is no news.
    pub fn is_none(&self) -> bool {
        self.enabled == 0
            && self.disabled == 0
            && self.changes.values().all(|change| change.added == 0 && change.removed == 0)
    }

    /// All of it as one sentence with the lines: `Access changed; new: 2 users; gone: 1 member: - user:a1, + user:b2`.
    pub fn in_words(&self) -> String {
        let came = self.told(|change| change.added);
        let went = self.told(|change| change.removed);
        let users = |count: u64| in_words([(&"users".to_owned(), &count)]);
        let mut parts = Vec::new();
        parts.extend(came.map(|it| format!("new: {it}")));
        parts.extend(went.map(|it| format!("gone: {it}")));
        parts.extend((self.enabled > 0).then(|| format!("enabled: {}", users(self.enabled))));
        parts.extend((self.disabled > 0).then(|| format!("disabled: {}", users(self.disabled))));
        let mut text = format!("Access changed; {}", parts.join("; "));
        if self.more > 0 {
            // Before the lines: a text that is too long is cut at its end. Writing to a String does not fail.
            let all = self.more.saturating_add(self.lines.len() as u64);
            let _ = write!(text, "; the first {} of {}", self.lines.len(), thousands(all));
        }
        if !self.lines.is_empty() {
            let _ = write!(text, ": {}", self.lines.join(", "));
        }
        text
    }

    fn told(&self, count: impl Fn(&super::Change) -> u64) -> Option<String> {
        // Where roles say what a grant is, the grants as a whole say nothing.
        let has_roles = self.changes.contains_key("members");
        let counts = self.changes.iter().map(|(scope, change)| (scope.clone(), count(change)));
        let counts: super::Counts =
            counts.filter(|(scope, count)| *count > 0 && !(has_roles && scope == "grants")).collect();
        (!counts.is_empty()).then(|| in_words(&counts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Change;

    fn news(changes: &[(&str, u64, u64)]) -> AccessNews {
        let change = |(scope, added, removed): &(&str, u64, u64)| {
            ((*scope).to_owned(), Change { added: *added, removed: *removed, changed: 7 })
        };
        AccessNews { changes: changes.iter().map(change).collect(), ..AccessNews::default() }
    }

    #[test]
    fn what_changed_is_told_by_counts_and_ids() {
        let planetscale = AccessNews {
            disabled: 1,
            lines: vec!["+ user:a1".into(), "- team:t1".into()],
            more: 1_234,
            ..news(&[
                ("users", 2, 0),
                ("teams", 0, 1),
                ("grants", 9, 9),
                ("members", 1, 0),
                ("administrators", 1, 1),
            ])
        };
        assert_eq!(
            planetscale.in_words(),
            "Access changed; new: 1 administrator, 1 member and 2 users; gone: 1 administrator and 1 team; \
             disabled: 1 user; the first 2 of 1,236: + user:a1, - team:t1"
        );
    }

    #[test]
    fn another_name_is_no_news_and_another_role_is() {
        assert!(news(&[("users", 0, 0), ("grants", 0, 0)]).is_none());
        assert!(!news(&[("users", 0, 0), ("administrators", 1, 0)]).is_none());
        assert!(!AccessNews { enabled: 1, ..AccessNews::default() }.is_none());
    }
}
