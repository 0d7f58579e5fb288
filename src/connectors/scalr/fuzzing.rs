//! Scalr's part of [`super::super::fuzzing`].
#![allow(clippy::panic, reason = "a fuzzer's entry panics where it finds something")]

use serde_json::Value;

use super::super::fuzzing::{Taken, take, text};
use super::super::paging::IdSet;
use super::{Named, People, Programs};
use crate::access::{AccountType, Record, ResourceKind};

const ACCOUNT: &str = "acc-1";

/// A page of one of the three listings, which the first byte chooses.
pub(in super::super) fn body(data: &[u8]) {
    let Some((listing, body)) = data.split_first() else { return };
    match listing % 3 {
        0 => people(body),
        1 => programs(body),
        _ => accounts(body),
    }
}

fn people(body: &[u8]) {
    let mut ids = IdSet::default();
    let mut people = People { account: ACCOUNT, ids: &mut ids, left_out: Vec::new() };
    let Some(taken) = take(&mut people, body) else { return };
    assert_eq!(taken.records.len() + people.left_out.len(), taken.items.len(), "somebody is lost");
    assert_enabled_only_where_active(&taken, AccountType::Human, "/relationships/user/data/id");
}

fn programs(body: &[u8]) {
    let mut ids = IdSet::default();
    let Some(taken) = take(&mut Programs { account: ACCOUNT, ids: &mut ids }, body) else { return };
    assert_eq!(taken.records.len(), taken.items.len(), "somebody is lost");
    assert_enabled_only_where_active(&taken, AccountType::Service, "/id");
}

fn accounts(body: &[u8]) {
    let mut named = Named { name: "acme", ids: IdSet::default(), found: Vec::new() };
    let Some(taken) = take(&mut named, body) else { return };
    let same = |item: &&Value| text(item, "/attributes/name") == "acme";
    assert_eq!(named.found.len(), taken.items.iter().filter(same).count());
}

fn assert_enabled_only_where_active(taken: &Taken, account_type: AccountType, id: &str) {
    for record in &taken.records {
        let Record::Resource(resource) = record else { panic!("a listing of users has only users") };
        let ResourceKind::User(user) = &resource.kind else { panic!("a listing of users has only users") };
        assert_eq!(user.account_type, account_type);
        let item = taken.items.iter().find(|item| text(item, id) == resource.id.id);
        let item = item.unwrap_or_else(|| panic!("{} came from nowhere", resource.id));
        assert_eq!(text(item, "/relationships/account/data/id"), ACCOUNT, "somebody is of another account");
        assert!(!user.status.enabled || text(item, "/attributes/status") == "Active", "{}", resource.id);
    }
}
