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
            "Nothing was published. Restore the snapshots, or, if this is right,",
        )
    } else {
        (
            format!("The removal guard holds this run: {scopes}."),
            "Nothing was published, and what was published before stays. If this is right,",
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
            "{} of {before} {title} would {}, and nobody would be left",
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

/// To one decimal, rounded down, so that it never hides what exceeds a limit by rounding to it from above.
fn percent(part: u64, whole: u64) -> String {
    let tenths = u128::from(part) * 1000 / u128::from(whole.max(1));
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} %"),
        (whole, tenth) => format!("{whole}.{tenth} %"),
    }
}

fn cut(title: &str) -> String {
    match title.char_indices().nth(TITLE) {
        None => title.to_owned(),
        Some((end, _)) => format!("{}…", title.get(..end).unwrap_or_default()),
    }
}
