//! What came, went or is another than before, thing by thing.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::content::Content;

/// What became of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Sign {
    Removed,
    Added,
    Changed,
}

/// One thing that is not as before.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    pub(super) change: Sign,
    /// The type of a resource, `entitlement`, or `grant`.
    pub(super) r#type: String,
    pub(super) id: String,
    pub(super) name: String,
    /// What is another than before, by its name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) attributes: BTreeMap<String, FromTo>,
}

/// What an attribute was and is; nothing where it was not there.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct FromTo {
    pub(super) from: String,
    pub(super) to: String,
}

impl Sign {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Removed => "-",
            Self::Added => "+",
            Self::Changed => "~",
        }
    }
}

impl Difference {
    /// What changed about it, in one line.
    pub(super) fn told(&self) -> String {
        let told =
            self.attributes.iter().map(|(name, FromTo { from, to })| match (from.as_str(), to.as_str()) {
                ("", to) => format!("{name} is now {to}"),
                (from, "") => format!("{name} was {from}"),
                (from, to) => format!("{name} {from} → {to}"),
            });
        told.collect::<Vec<_>>().join(", ")
    }
}

/// What differs: resources, then entitlements, then grants.
pub(super) fn differences(before: &Content, after: &Content) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(
        (&before.resources, &after.resources),
        |it| it.resource_type.clone(),
        |side, id, _| side.of(before, after).name_of(id),
        |it| &it.attributes,
        &mut found,
    );
    compare(
        (&before.entitlements, &after.entitlements),
        |_| "entitlement".to_owned(),
        |_, _, it| it.name.clone(),
        |it| &it.attributes,
        &mut found,
    );
    // A grant has no attributes: it comes or goes. What its resource is called is told of the resource.
    let none = BTreeMap::new();
    compare(
        (&before.grants, &after.grants),
        |_| "grant".to_owned(),
        |side, _, it| side.of(before, after).name_of_grant(it),
        |_| &none,
        &mut found,
    );
    found
}

/// On which side a thing is that is named.
#[derive(Clone, Copy)]
enum Side {
    Before,
    After,
}

impl Side {
    fn of<'c>(self, before: &'c Content, after: &'c Content) -> &'c Content {
        match self {
            Self::Before => before,
            Self::After => after,
        }
    }
}

fn compare<'c, T>(
    (before, after): (&'c BTreeMap<String, T>, &'c BTreeMap<String, T>),
    type_of: impl Fn(&T) -> String,
    name_of: impl Fn(Side, &str, &T) -> String,
    attributes_of: impl Fn(&'c T) -> &'c BTreeMap<String, String>,
    found: &mut Vec<Difference>,
) {
    let mut note = |change, side, id: &str, thing: &T, attributes| {
        let name = name_of(side, id, thing);
        found.push(Difference { change, r#type: type_of(thing), id: id.to_owned(), name, attributes });
    };
    for (id, thing) in before.iter().filter(|(id, _)| !after.contains_key(*id)) {
        note(Sign::Removed, Side::Before, id, thing, BTreeMap::new());
    }
    for (id, thing) in after {
        match before.get(id) {
            None => note(Sign::Added, Side::After, id, thing, BTreeMap::new()),
            Some(was) => {
                let attributes = changed(attributes_of(was), attributes_of(thing));
                if !attributes.is_empty() {
                    note(Sign::Changed, Side::After, id, thing, attributes);
                }
            }
        }
    }
}

fn changed(was: &BTreeMap<String, String>, is: &BTreeMap<String, String>) -> BTreeMap<String, FromTo> {
    let value =
        |attributes: &BTreeMap<String, String>, name: &str| attributes.get(name).cloned().unwrap_or_default();
    was.keys()
        .chain(is.keys())
        .filter(|name| was.get(*name) != is.get(*name))
        .map(|name| (name.clone(), FromTo { from: value(was, name), to: value(is, name) }))
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::content::{Holding, Right, Thing};

    fn content(things: &[(&str, &str)], grants: &[(&str, &str)]) -> Content {
        let thing = |name: &str| Thing {
            resource_type: "team".to_owned(),
            name: name.to_owned(),
            parent: None,
            user: None,
            attributes: BTreeMap::from([("name".to_owned(), name.to_owned())]),
        };
        let right = Right { name: "Member".into(), slug: "member".into(), attributes: BTreeMap::new() };
        let holding = |who: &str, what: &str| Holding {
            principal: who.to_owned(),
            entitlement: "e".to_owned(),
            resource: what.to_owned(),
        };
        Content {
            run: "run".into(),
            read_at: Time(Timestamp::UNIX_EPOCH),
            resources: things.iter().map(|(id, name)| ((*id).to_owned(), thing(name))).collect(),
            entitlements: BTreeMap::from([("e".to_owned(), right)]),
            grants: grants.iter().map(|(who, what)| (format!("{what}:{who}"), holding(who, what))).collect(),
        }
    }

    #[test]
    fn what_came_went_and_changed_is_named_as_it_was_where_it_is_gone() {
        let before = content(&[("a", "Ada"), ("t", "Old"), ("g", "Gone")], &[("a", "g")]);
        let after = content(&[("a", "Ada"), ("t", "New"), ("c", "Come")], &[("a", "t")]);
        let told: Vec<String> = differences(&before, &after)
            .iter()
            .map(|it| {
                format!("{} {} {} {}", it.change.sign(), it.r#type, it.name, it.told()).trim_end().to_owned()
            })
            .collect();
        assert_eq!(
            told,
            [
                "- team Gone",
                "+ team Come",
                "~ team New name Old → New",
                "- grant Ada as member of Gone",
                "+ grant Ada as member of New",
            ]
        );
        assert!(differences(&before, &before).is_empty());
    }

    #[test]
    fn an_attribute_that_came_or_went_has_one_side_alone() {
        let of = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let attributes =
            changed(&of(&[("login", "ada"), ("same", "x")]), &of(&[("email", "b"), ("same", "x")]));
        let difference = Difference {
            change: Sign::Changed,
            r#type: "user".into(),
            id: "user:a".into(),
            name: "Ada".into(),
            attributes,
        };
        assert_eq!(difference.told(), "email is now b, login was ada");
    }
}
