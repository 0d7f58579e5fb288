//! Writes a snapshot from records that are made up on the way, without a network: what the writing alone costs.

use std::path::Path;
use std::sync::Arc;

use connector_operator::access::{
    AccountType, Entitlement, EntitlementId, Grant, Profile, Purpose, Record, Resource, ResourceId,
    ResourceKind, Status, User,
};
use connector_operator::connectors::planetscale::{ORGANIZATION, USER};
use connector_operator::snapshot::{SnapshotWriter, SyncId};
use jiff::Timestamp;

use crate::error::{Error, Result};

const PAGE: u64 = 100;
/// The digits of the vendor's ids.
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Until {
    /// Only make the records.
    Records,
    /// Put them into the database.
    Load,
    /// Make the indexes and check the whole.
    Finish,
    /// Pack it as a `.c1z`.
    Pack,
}

impl Until {
    /// As the command line has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Load => "load",
            Self::Finish => "finish",
            Self::Pack => "pack",
        }
    }

    /// As a table has it: each comes after those before it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Records => "records made up",
            Self::Load => "... encoded and loaded",
            Self::Finish => "... indexed and checked",
            Self::Pack => "... packed",
        }
    }
}

/// Writes `members` users and as many grants, as a PlanetScale organization has them.
pub(crate) fn write(members: u64, until: Until, folder: &Path) -> Result<()> {
    let now = Timestamp::UNIX_EPOCH;
    let organization = ResourceId::new(ORGANIZATION.id, "o1o1o1o1o1o1");
    let membership = Arc::new(EntitlementId::new(organization.clone(), "member"));
    let failed = |error: &dyn std::fmt::Display| Error::new(format!("writing a snapshot: {error}"));

    let mut writer = SnapshotWriter::create(folder, &[ORGANIZATION, USER], SyncId::new(now), now)
        .map_err(|error| failed(&error))?;
    writer.write(beginning(&organization, &membership)).map_err(|error| failed(&error))?;
    for page in 0..members.div_ceil(PAGE) {
        let records: Vec<Record> = (page * PAGE..members.min((page + 1) * PAGE))
            .flat_map(|number| {
                let id = id(number);
                let grant = Grant {
                    entitlement: Arc::clone(&membership),
                    principal: ResourceId::new(USER.id, id.clone()),
                };
                [Record::Resource(user(number, id)), Record::Grant(grant)]
            })
            .collect();
        if until == Until::Records {
            std::hint::black_box(records);
        } else {
            writer.write(records).map_err(|error| failed(&error))?;
        }
    }
    if matches!(until, Until::Records | Until::Load) {
        return Ok(());
    }
    let finished = writer.finish(now).map_err(|error| failed(&error))?;
    if until == Until::Pack {
        finished.pack(&folder.join("written.c1z")).map_err(|error| failed(&error))?;
    }
    Ok(())
}

fn beginning(organization: &ResourceId, membership: &Arc<EntitlementId>) -> Vec<Record> {
    let resource = Resource {
        id: organization.clone(),
        parent: None,
        display_name: "acme".to_owned(),
        description: None,
        link: Some("https://app.planetscale.com/acme".to_owned()),
        created_at: Some(Timestamp::UNIX_EPOCH),
        profile: Profile::from([("name", "acme".into())]),
        kind: ResourceKind::Plain,
    };
    let entitlement = Entitlement {
        id: EntitlementId::clone(membership),
        display_name: "acme Organization Member".to_owned(),
        description: "Is a member of the PlanetScale organization acme".to_owned(),
        purpose: Purpose::Assignment,
        grantable_to: &[USER],
    };
    vec![Record::Resource(resource), Record::Entitlement(entitlement)]
}

/// Twelve digits in no order, as the vendor's are, and never the same twice.
fn id(number: u64) -> String {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 4;
    let mut digits = String::with_capacity(12);
    for _ in 0..12 {
        let digit = usize::try_from(mixed % 36).unwrap_or_default();
        digits.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'0')));
        mixed /= 36;
    }
    digits
}

fn user(number: u64, id: String) -> Resource {
    let name = format!("Ada{number} Example{}", number % 1000);
    let email = format!("user-{number:06}@example.com");
    let seconds = 1_500_000_000 + i64::try_from(number * 977 % 300_000_000).unwrap_or_default();
    let created_at = Timestamp::from_second(seconds).unwrap_or_default();
    let profile = Profile::from([
        ("user_id", id.clone().into()),
        ("email", email.clone().into()),
        ("first_name", format!("Ada{number}").into()),
        ("last_name", format!("Example{}", number % 1000).into()),
        ("name", name.clone().into()),
        ("display_name", format!("user-{number:06}").into()),
        ("created_at", created_at.to_string().into()),
        ("two_factor_auth_configured", number.is_multiple_of(3).into()),
        ("sso", false.into()),
        ("managed", false.into()),
        ("directory_managed", false.into()),
        ("email_verified", true.into()),
    ]);
    Resource {
        id: ResourceId::new(USER.id, id),
        parent: None,
        display_name: name,
        description: None,
        link: None,
        created_at: Some(created_at),
        profile,
        kind: ResourceKind::User(Box::new(User {
            email: email.clone(),
            login: email,
            status: Status { enabled: true, details: None },
            account_type: AccountType::Human,
            last_login: None,
            mfa_enabled: Some(number.is_multiple_of(3)),
            sso_enabled: Some(false),
        })),
    }
}
