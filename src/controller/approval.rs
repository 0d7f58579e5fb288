//! What the `acceptRemovals` annotation means: which removals a run may publish, and what of it was not acted upon yet.
//!
//! An approval is good once, and only for what is held when it is given: one that was acted upon, or that named
//! nothing held, never acts again on something that is held later. Whoever removes the annotation may set it anew.

use crate::api::ConnectorStatus;

/// What the annotation says about what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Approval<'a> {
    /// Nothing new.
    Old,
    /// It accepts what is held with this id, and no run has carried that yet.
    Given(&'a str),
    /// A run that carried it has failed, and the next is to carry it, too.
    Pending(&'a str),
    /// It names something else than what is held: to be said once.
    Mistaken(&'a str),
    /// It was removed, and may be given anew.
    Withdrawn,
}

impl<'a> Approval<'a> {
    /// What `annotation` says to somebody who knows `status`.
    pub(super) fn of(status: &ConnectorStatus, annotation: Option<&'a str>) -> Self {
        let handled = status.last_handled_approval.as_deref();
        let Some(given) = annotation else {
            return if handled.is_some() { Self::Withdrawn } else { Self::Old };
        };
        let names_it = status.held.as_ref().filter(|hold| hold.id == given);
        match (names_it, handled == Some(given)) {
            (Some(_), false) => Self::Given(given),
            (Some(hold), true) if hold.accepted => Self::Pending(given),
            (None, false) => Self::Mistaken(given),
            (_, true) => Self::Old,
        }
    }

    /// The id of the removals that a run which begins now may publish.
    pub(super) fn carried(self) -> Option<&'a str> {
        match self {
            Self::Given(id) | Self::Pending(id) => Some(id),
            Self::Old | Self::Mistaken(_) | Self::Withdrawn => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use rstest::rstest;

    use super::*;
    use crate::api::Hold;

    fn status(held: Option<&str>, accepted: bool, handled: Option<&str>) -> ConnectorStatus {
        let hold = |id| Hold { accepted, ..Hold::new(id, "run", Time(Timestamp::UNIX_EPOCH), &[]) };
        ConnectorStatus {
            held: held.map(hold).map(Box::new),
            last_handled_approval: handled.map(str::to_owned),
            ..ConnectorStatus::default()
        }
    }

    #[rstest]
    #[case::nothing_at_all(None, None, None, Approval::Old)]
    #[case::given(Some("a"), Some("a"), None, Approval::Given("a"))]
    #[case::given_after_another(Some("a"), Some("a"), Some("b"), Approval::Given("a"))]
    #[case::of_something_else(Some("a"), Some("b"), None, Approval::Mistaken("b"))]
    #[case::of_something_else_said_before(Some("a"), Some("b"), Some("b"), Approval::Old)]
    #[case::where_nothing_is_held(None, Some("a"), None, Approval::Mistaken("a"))]
    #[case::left_behind_after_it_was_published(None, Some("a"), Some("a"), Approval::Old)]
    #[case::left_behind_and_the_same_is_held_again(Some("a"), Some("a"), Some("a"), Approval::Old)]
    #[case::removed(Some("a"), None, Some("a"), Approval::Withdrawn)]
    fn an_approval_is_good_once_and_for_what_is_held(
        #[case] held: Option<&str>,
        #[case] annotation: Option<&str>,
        #[case] handled: Option<&str>,
        #[case] expected: Approval<'_>,
    ) {
        assert_eq!(Approval::of(&status(held, false, handled), annotation), expected);
    }

    #[test]
    fn an_approval_whose_run_failed_is_carried_by_the_next_until_it_is_withdrawn() {
        let status = status(Some("a"), true, Some("a"));
        assert_eq!(Approval::of(&status, Some("a")).carried(), Some("a"));
        assert_eq!(Approval::of(&status, None).carried(), None);
        assert_eq!(Approval::of(&status, Some("b")).carried(), None);
    }
}
