//! Counts as a person tells them.

use std::collections::BTreeMap;

/// `3 organizations, 40 teams, 5,000 users and 6,000 grants`: what people look for, the grants between them last.
pub fn in_words<'a>(counts: impl IntoIterator<Item = (&'a String, &'a u64)>) -> String {
    let counts: BTreeMap<_, _> = counts.into_iter().collect();
    let resources = counts.iter().filter(|(scope, _)| !["entitlements", "grants"].contains(&scope.as_str()));
    let parts: Vec<String> = resources
        .chain(counts.iter().filter(|(scope, count)| scope.as_str() == "grants" && ***count > 0))
        .map(|(scope, count)| format!("{} {}", thousands(**count), noun(scope, **count)))
        .collect();
    match parts.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

fn noun(plural: &str, count: u64) -> &str {
    if count == 1 { plural.strip_suffix('s').unwrap_or(plural) } else { plural }
}

/// `12,300`
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(counts: &[(&str, u64)]) -> String {
        let counts: Vec<(String, u64)> =
            counts.iter().map(|(scope, count)| ((*scope).to_owned(), *count)).collect();
        in_words(counts.iter().map(|(scope, count)| (scope, count)))
    }

    #[test]
    fn counts_are_told_as_a_person_would() {
        let planetscale =
            [("users", 5000), ("organizations", 3), ("teams", 1), ("grants", 6000), ("entitlements", 7)];
        assert_eq!(words(&planetscale), "3 organizations, 1 team, 5,000 users and 6,000 grants");
        assert_eq!(words(&[("users", 1_234_567), ("grants", 0), ("entitlements", 0)]), "1,234,567 users");
        assert_eq!(words(&[]), "nothing");
    }
}
