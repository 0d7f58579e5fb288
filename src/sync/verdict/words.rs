//! What a held run says: what would go, that nothing was published, and how to accept it. Numbers and the names of
//! organizations, never those of people.

use crate::access::guard::{Limits, Removal, Why};

/// The most scopes that are told one by one.
const SCOPES: usize = 4;
/// The most characters of one scope's title.
const TITLE: usize = 60;
/// Set to the id of a hold, it approves what would go.
const ACCEPT: &str = "connectors.conductorone.com/acceptRemovals";

/// The message of a hold; 1,000 characters at most.
pub(super) fn message(removals: &[Removal], limits: Limits, lost: bool, id: &str) -> String {
    let mut scopes: Vec<String> = removals.iter().take(SCOPES).map(|it| scope(it, limits)).collect();
    match removals.len().saturating_sub(SCOPES) {
        0 => {}
        1 => scopes.push("and 1 more scope".to_owned()),
        more => scopes.push(format!("and {more} more scopes")),
    }
    let scopes = scopes.join("; ");
    let (problem, stays) = if lost {
        (
            format!(
                "The snapshot published last is lost, and there are fewer than is remembered of it: {scopes}."
            ),
            "Nothing was published. If this is wrong, restore the snapshots; if it is right,",
        )
    } else {
        (
            format!("The removal guard holds this run: {scopes}."),
            "Nothing was published, and what was published before stays. If this is wrong, correct it upstream: runs go \
             on; if it is right,",
        )
    };
    format!("{problem} {stays} set the annotation {ACCEPT} to {id}.")
}

fn scope(removal: &Removal, limits: Limits) -> String {
    let Removal { before, removed, disabled, why, .. } = removal;
    let title = cut(&removal.scope);
    match why {
        Why::TooMany => format!(
            "{} of {before} {title} would {} ({}; the limit is {} %)",
            removed + disabled,
            fate(*removed, *disabled),
            percent(removed + disabled, *before),
            limits.max_percent
        ),
        Why::Emptied | Why::NoAdministrator => format!(
            "{} of {before} {title} would {}, and nobody who is enabled would be left",
            removed + disabled,
            fate(*removed, *disabled)
        ),
        Why::OwnerGone => format!("{title} would go, with its {before} members"),
        Why::AnotherAccount => {
            format!("it is another account than the one published before, which had {before} {title}")
        }
        Why::BaselineLost if *before == 0 => format!("nothing is known of {title}"),
        Why::BaselineLost => format!("{} instead of {before} {title}", before.saturating_sub(*removed)),
    }
}

fn fate(removed: u64, disabled: u64) -> &'static str {
    match (removed, disabled) {
        (0, _) => "be disabled",
        (_, 0) => "go",
        _ => "go or be disabled",
    }
}

/// To one decimal, and never so that what exceeds a limit seems to equal it.
fn percent(part: u64, whole: u64) -> String {
    let (part, whole) = (u128::from(part), u128::from(whole.max(1)));
    match (part * 100 / whole, part * 1000 / whole % 10) {
        (percent, 0) if part * 100 % whole == 0 => format!("{percent} %"),
        (percent, 0) => format!("more than {percent} %"),
        (percent, tenth) => format!("{percent}.{tenth} %"),
    }
}

fn cut(title: &str) -> String {
    match title.char_indices().nth(TITLE) {
        None => title.to_owned(),
        Some((end, _)) => format!("{}…", title.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { max_percent: 20, min_removed: 3 };

    fn removal(scope: &str, why: Why) -> Removal {
        Removal { scope: scope.to_owned(), before: 997, removed: 200, disabled: 7, why }
    }

    fn told(why: Why) -> String {
        scope(&removal("members of acme", why), LIMITS)
    }

    #[test]
    fn each_reason_is_told_in_words() {
        assert_eq!(
            told(Why::TooMany),
            "207 of 997 members of acme would go or be disabled (20.7 %; the limit is 20 %)"
        );
        let last =
            "207 of 997 members of acme would go or be disabled, and nobody who is enabled would be left";
        assert_eq!(told(Why::Emptied), last);
        assert_eq!(told(Why::NoAdministrator), last);
        assert_eq!(
            scope(&removal("the organization acme", Why::OwnerGone), LIMITS),
            "the organization acme would go, with its 997 members"
        );
        assert_eq!(told(Why::BaselineLost), "797 instead of 997 members of acme");
    }

    #[test]
    fn what_exceeds_a_limit_does_not_seem_to_equal_it() {
        assert_eq!(percent(201, 1000), "20.1 %");
        assert_eq!(percent(1, 3), "33.3 %");
        assert_eq!(percent(2001, 10_000), "more than 20 %");
        assert_eq!(percent(5, 5), "100 %");
    }

    #[test]
    fn a_message_stays_within_a_thousand_characters_and_says_how_many_more_there_are() {
        let long = Removal {
            scope: format!("group memberships of {}", "ä".repeat(1000)),
            before: u64::MAX,
            removed: u64::MAX / 2,
            disabled: u64::MAX / 2,
            why: Why::TooMany,
        };
        for (count, ending) in [(5, "and 1 more scope."), (1000, "and 996 more scopes.")] {
            for lost in [false, true] {
                let message = message(&vec![long.clone(); count], LIMITS, lost, "0123456789abcdef");
                assert!(message.contains(ending), "{message}");
                assert!(message.ends_with("acceptRemovals to 0123456789abcdef."), "{message}");
                assert!(message.chars().count() <= 1000, "{}", message.chars().count());
            }
        }
        assert!(!message(&[long], LIMITS, false, "0").contains("more scope"));
    }
}
