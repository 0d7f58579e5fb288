//! Counts as a person tells them.

use super::Counts;

/// `3 organizations, 40 teams, 5,000 users and 6,000 grants`: what people look for, the grants last.
pub fn in_words(counts: &Counts) -> String {
    let of = |scope: &&String, count: &u64| match scope.as_str() {
        "entitlements" => false,
        "grants" => *count > 0,
        _ => true,
    };
    let mut counted: Vec<(&String, u64)> = counts
        .iter()
        .filter(|(scope, count)| of(scope, count))
        .map(|(scope, count)| (scope, *count))
        .collect();
    counted.sort_by_key(|(scope, _)| scope.as_str() == "grants");
    let parts: Vec<String> = counted
        .into_iter()
        .map(|(scope, count)| format!("{} {}", thousands(count), noun(scope, count)))
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

fn thousands(number: u64) -> String {
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
        in_words(&counts.iter().map(|(scope, count)| ((*scope).to_owned(), *count)).collect())
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
