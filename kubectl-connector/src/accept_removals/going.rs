//! Who and what would go, from the lines of a hold and the names of the snapshot that it was compared with.

use std::fmt;

use serde::Serialize;

use crate::content::Content;

/// One thing that would go.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Going {
    /// `gone` or `disabled`; `remembered` where only numbers are known.
    pub(super) what: &'static str,
    pub(super) id: String,
    pub(super) name: String,
}

/// Everything in the text of a hold, people and things before their roles.
pub(super) fn of(held: &str, published: Option<&Content>) -> Vec<Going> {
    let mut going: Vec<Going> = held.lines().filter_map(|line| one(line, published)).collect();
    going.sort_by_key(|it| it.what == "gone" && is_grant(&it.id, published));
    going
}

fn one(line: &str, published: Option<&Content>) -> Option<Going> {
    let (sign, id) = line.split_once(' ')?;
    let what = match sign {
        "-" => "gone",
        "disabled" => "disabled",
        "+" => "remembered",
        _ => return None,
    };
    Some(Going { what, id: id.to_owned(), name: name(id, published) })
}

fn name(id: &str, published: Option<&Content>) -> String {
    let Some(published) = published else { return id.to_owned() };
    match published.grants.get(id) {
        Some(grant) => published.name_of_grant(grant),
        None => published.name_of(id),
    }
}

fn is_grant(id: &str, published: Option<&Content>) -> bool {
    published.is_some_and(|published| published.grants.contains_key(id))
}

impl fmt::Display for Going {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name == self.id {
            write!(f, "{:<10}  {}", self.what, self.id)
        } else {
            write!(f, "{:<10}  {}  ({})", self.what, self.name, self.id)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_a_hold_is_told_and_its_heading_is_not() {
        let held = "# compared with run 3IPX\n- user:u7\ndisabled user:u8\n+ users 48\n";
        let told: Vec<String> = of(held, None).iter().map(Going::to_string).collect();
        assert_eq!(told, ["gone        user:u7", "disabled    user:u8", "remembered  users 48"]);
    }
}
