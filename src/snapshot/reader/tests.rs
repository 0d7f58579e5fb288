use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use prost::Name;
use prost_types::value::Kind;
use tempfile::TempDir;

use super::*;
use crate::access::{self, ProfileValue, ResourceKind};
use crate::snapshot::testing::{self, Account, small_account, sync_id};

/// A packed snapshot of [`small_account`], and the folder that it lies in.
fn packed() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.c1z");
    testing::write(folder.path(), sync_id(), small_account()).unwrap().pack(&path).unwrap();
    (folder, path)
}

fn open(path: &Path) -> Result<Snapshot, ReadError> {
    Snapshot::open(path, path.parent().unwrap())
}

#[test]
fn the_run_has_its_id_and_times() {
    let (_folder, path) = packed();
    let snapshot = open(&path).unwrap();
    let run = SyncRun { id: sync_id(), started_at: testing::started_at(), ended_at: testing::ended_at() };
    assert_eq!(snapshot.run(), &run);
    assert_eq!(snapshot.runs().unwrap(), [run]);
}

#[test]
fn a_file_cut_anywhere_is_truncated() {
    let (_folder, path) = packed();
    let bytes = fs::read(&path).unwrap();
    for length in [0, 3, 5, 8, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = open(&path).unwrap_err();
        assert!(matches!(error, ReadError::Truncated { .. }), "{length}: {error}");
    }
}

#[test]
fn a_file_of_another_kind_is_no_snapshot() {
    let (_folder, path) = packed();
    fs::write(&path, "SQLite format 3").unwrap();
    assert!(matches!(open(&path).unwrap_err(), ReadError::NotASnapshot { .. }));
    fs::write(&path, "C1Z3\0 and so on").unwrap();
    assert!(matches!(open(&path).unwrap_err(), ReadError::Pebble { .. }));
}

#[test]
fn a_flipped_bit_or_a_tail_is_damage() {
    let (_folder, path) = packed();
    let bytes = fs::read(&path).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    let tailed = [bytes.as_slice(), b"and more"].concat();
    for damaged in [flipped, tailed] {
        fs::write(&path, damaged).unwrap();
        let error = open(&path).unwrap_err();
        assert!(matches!(error, ReadError::Corrupt { .. }), "{error}");
    }
}

#[test]
fn a_file_that_asks_for_much_memory_is_refused() {
    let (_folder, path) = packed();
    let mut encoder = zstd::Encoder::new(b"C1ZF\0".to_vec(), 1).unwrap();
    encoder.window_log(27).unwrap();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 1 << 20), &mut encoder).unwrap();
    fs::write(&path, encoder.finish().unwrap()).unwrap();
    assert!(matches!(open(&path).unwrap_err(), ReadError::Corrupt { .. }));
}

#[test]
fn something_else_in_the_frame_is_no_database() {
    let (_folder, path) = packed();
    let frame = zstd::encode_all(&b"not a database, whatever the header says"[..], 1).unwrap();
    fs::write(&path, [&b"C1ZF\0"[..], &frame].concat()).unwrap();
    assert!(matches!(open(&path).unwrap_err(), ReadError::Database { .. }));
}

#[test]
fn a_run_that_did_not_end_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let finished = testing::write(folder.path(), sync_id(), testing::many_users()).unwrap();
    let connection = Connection::open(finished.snapshot().database().path().unwrap()).unwrap();
    connection.execute("update v1_sync_runs set ended_at = null", []).unwrap();
    drop(connection);
    let path = folder.path().join("out.c1z");
    finished.pack(&path).unwrap();
    assert!(matches!(open(&path).unwrap_err(), ReadError::NoFinishedRun));
}

#[test]
fn nothing_is_left_of_what_could_not_be_opened() {
    let (folder, path) = packed();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    open(&path).unwrap_err();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_visitor_may_stop() {
    let (_folder, path) = packed();
    let mut seen = 0;
    let stopped = open(&path).unwrap().resources(|_| {
        seen += 1;
        Err(ReadError::NoFinishedRun)
    });
    assert!(stopped.is_err());
    assert_eq!(seen, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_written_is_read(account in testing::accounts()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.c1z");
        let finished = testing::write(folder.path(), sync_id(), account.records()).unwrap();
        finished.pack(&path).unwrap();
        let snapshot = open(&path).unwrap();
        prop_assert_eq!(&snapshot.counts(testing::TYPES).unwrap(), finished.counts());

        let read = read(&snapshot).unwrap();
        prop_assert_eq!(read.resources, account.resources);
        prop_assert_eq!(read.entitlements, account.entitlements);
        prop_assert_eq!(read.grants, account.grants);
    }
}

/// The account as it was before it was written.
fn read(snapshot: &Snapshot) -> Result<Account, ReadError> {
    let mut resources = BTreeMap::new();
    snapshot.resources::<ReadError>(|message| {
        let resource = resource(message);
        resources.insert(resource.id.clone(), resource);
        Ok(())
    })?;
    let mut entitlements = Vec::new();
    snapshot.entitlements::<ReadError>(|message| {
        entitlements.push(entitlement(message));
        Ok(())
    })?;
    let mut grants = BTreeSet::new();
    snapshot.grants::<ReadError>(|message| {
        let entitlement = message.entitlement.unwrap();
        let resource = resource_id(entitlement.resource.unwrap().id.unwrap());
        let slug = entitlement.id.strip_prefix(&format!("{resource}:")).unwrap();
        let principal = resource_id(message.principal.unwrap().id.unwrap());
        assert_eq!(message.id, format!("{}:{principal}", entitlement.id));
        grants.insert((access::EntitlementId::new(resource, slug), principal));
        Ok(())
    })?;
    Ok(Account { resources, entitlements, grants })
}

fn resource_id(id: v2::ResourceId) -> access::ResourceId {
    let it = testing::TYPES.iter().find(|it| it.id == id.resource_type).unwrap();
    access::ResourceId::new(it.id, id.resource)
}

fn resource(message: v2::Resource) -> access::Resource {
    let annotation =
        |url: String| message.annotations.iter().find(|it| it.type_url == url).map(|it| &it.value[..]);
    let link = annotation(v2::ExternalLink::type_url()).map(|it| v2::ExternalLink::decode(it).unwrap().url);
    let kind = match (annotation(v2::UserTrait::type_url()), annotation(v2::GroupTrait::type_url())) {
        (None, None) => ResourceKind::Plain,
        (None, Some(group)) => {
            assert_eq!(v2::GroupTrait::decode(group).unwrap().profile, message.profile);
            ResourceKind::Group
        }
        (Some(user), _) => {
            let user = v2::UserTrait::decode(user).unwrap();
            assert_eq!((&user.profile, &user.created_at), (&message.profile, &message.created_at));
            ResourceKind::User(Box::new(self::user(user)))
        }
    };
    let id = resource_id(message.id.unwrap());
    let raw = annotation(v2::RawId::type_url()).map(|it| v2::RawId::decode(it).unwrap().id);
    assert_eq!(raw.as_ref(), Some(&id.id));
    access::Resource {
        id,
        parent: message.parent_resource_id.map(resource_id),
        display_name: message.display_name,
        description: Some(message.description).filter(|it| !it.is_empty()),
        link,
        created_at: message.created_at.map(timestamp),
        profile: message.profile.map(profile).unwrap_or_default(),
        kind,
    }
}

fn user(user: v2::UserTrait) -> access::User {
    let account_type = match user.account_type() {
        v2::user_trait::AccountType::Service => access::AccountType::Service,
        _ => access::AccountType::Human,
    };
    let status = user.status.unwrap();
    access::User {
        email: user.emails.into_iter().next().map(|it| it.address).unwrap_or_default(),
        login: user.login,
        status: access::Status {
            enabled: status.status() == v2::user_trait::status::Status::Enabled,
            details: Some(status.details).filter(|it| !it.is_empty()),
        },
        account_type,
        last_login: user.last_login.map(timestamp),
        mfa_enabled: user.mfa_status.map(|it| it.mfa_enabled),
        sso_enabled: user.sso_status.map(|it| it.sso_enabled),
    }
}

fn timestamp(time: prost_types::Timestamp) -> Timestamp {
    Timestamp::new(time.seconds, time.nanos).unwrap()
}

fn profile(profile: prost_types::Struct) -> access::Profile {
    let fields = profile.fields.into_iter().map(|(name, value)| {
        let name = ["first_name", "last_name", "owner"].into_iter().find(|it| *it == name).unwrap();
        let value = match value.kind.unwrap() {
            Kind::StringValue(text) => ProfileValue::Text(text),
            Kind::BoolValue(value) => ProfileValue::Bool(value),
            other => panic!("no profile has {other:?}"),
        };
        (name, value)
    });
    fields.collect()
}

fn entitlement(message: v2::Entitlement) -> access::Entitlement {
    let purpose = match message.purpose() {
        v2::entitlement::PurposeValue::Assignment => access::Purpose::Assignment,
        _ => access::Purpose::Permission,
    };
    let id = access::EntitlementId::new(resource_id(message.resource.unwrap().id.unwrap()), message.slug);
    assert_eq!(message.id, id.to_string());
    assert_eq!(message.grantable_to.len(), 1);
    access::Entitlement {
        id,
        display_name: message.display_name,
        description: message.description,
        purpose,
        grantable_to: testing::USER,
    }
}
