//! PlanetScale's part of [`super::super::fuzzing`].

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::fuzzing::{take, text};
use super::super::paging::IdSet;
use super::users::Users;
use super::visitors::{Members, Organizations, Place, Roles, TeamMembers, Teams};
use super::{ORGANIZATION, TEAM};
use crate::access::{EntitlementId, Record, ResourceId};

/// A page of one of the four listings, which the first byte chooses.
pub(in super::super) fn body(data: &[u8]) {
    let Some((listing, body)) = data.split_first() else { return };
    match listing % 4 {
        0 => members(body),
        1 => team_members(body),
        2 => organizations(body),
        _ => teams(body),
    }
}

fn acme() -> Place {
    let id = ResourceId::new(ORGANIZATION.id, "o1o1o1o1o1o1");
    Place { id, name: "acme".to_owned(), title: "acme".to_owned(), number: 0 }
}

fn members(body: &[u8]) {
    let organization = acme();
    let (mut roles, mut users) = (Roles::of(&organization), Users::default());
    let mut members = Members { organization: &organization, roles: &mut roles, users: &mut users };
    let Some(taken) = take(&mut members, body) else { return };
    let held: BTreeSet<(&str, &str)> = taken
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Grant(grant) => Some((grant.principal.id.as_str(), grant.entitlement.slug.as_str())),
            _ => None,
        })
        .collect();
    let said = taken.items.iter().map(|item| (text(item, "/user/id"), text(item, "/role")));
    assert_eq!(held, said.collect(), "somebody does not hold what upstream says");
}

fn team_members(body: &[u8]) {
    let organization = acme();
    let membership = Arc::new(EntitlementId::new(ResourceId::new(TEAM.id, "t1t1t1t1t1t1"), "member"));
    let mut members = TeamMembers {
        organization: &organization,
        membership: &membership,
        users: &Users::default(),
        ids: IdSet::default(),
        outsiders: BTreeSet::new(),
    };
    let Some(taken) = take(&mut members, body) else { return };
    assert_eq!(taken.records.len(), taken.items.len(), "somebody is lost");
    assert_eq!(
        members.outsiders.len(),
        taken.items.len(),
        "nobody is known, and yet somebody is no outsider"
    );
}

fn organizations(body: &[u8]) {
    let mut organizations = Organizations::default();
    let Some(taken) = take(&mut organizations, body) else { return };
    assert_eq!(organizations.found.len(), taken.items.len(), "an organization is lost");
    assert_eq!(taken.records.len(), 3 * taken.items.len(), "each has itself and two entitlements");
}

fn teams(body: &[u8]) {
    let organization = acme();
    let mut teams = Teams::of(&organization);
    let Some(taken) = take(&mut teams, body) else { return };
    assert_eq!(teams.found.len(), taken.items.len(), "a team is lost");
}
