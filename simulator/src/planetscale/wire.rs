//! PlanetScale's JSON, written from borrowed data.
//!
//! What a client must not keep is in it, and marked with [`NEVER_KEEP`](super::NEVER_KEEP).

use serde::{Serialize, Serializer};

use super::NEVER_KEEP;
use super::data::{Membership, OptionalFields, Organization, Team, TeamMembership, User};
use crate::generate::{InMillis, Kind, ObjectId};
use crate::paging::Window;

/// The media type of every answer, errors included.
pub(crate) const MEDIA_TYPE: &str = "application/json; charset=utf-8";

/// How many members a team in the list of teams shows. Whether the vendor shows all of a large team is not
/// known, so a client must not rely on it.
const EMBEDDED_MEMBERS: usize = 25;

/// A page of a listing.
#[derive(Serialize)]
pub(super) struct Page<T> {
    r#type: &'static str,
    current_page: usize,
    per_page: usize,
    next_page: Option<usize>,
    next_page_url: Option<String>,
    prev_page: Option<usize>,
    prev_page_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_pages: Option<usize>,
    data: Vec<T>,
}

impl<T> Page<T> {
    /// A page with totals; `url_of` makes the address of another page.
    pub(super) fn with_totals(window: Window, url_of: impl Fn(usize) -> String, data: Vec<T>) -> Self {
        Self {
            total_count: Some(window.total),
            total_pages: Some(window.pages),
            ..Self::without_totals(window, url_of, data)
        }
    }

    /// A page as the list of organizations has it.
    pub(super) fn without_totals(window: Window, url_of: impl Fn(usize) -> String, data: Vec<T>) -> Self {
        Self {
            r#type: "list",
            current_page: window.number,
            per_page: window.size,
            next_page: window.next(),
            next_page_url: window.next().map(&url_of),
            prev_page: window.previous(),
            prev_page_url: window.previous().map(&url_of),
            total_count: None,
            total_pages: None,
            data,
        }
    }
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
pub(super) struct OrganizationView<'a> {
    id: ObjectId,
    r#type: &'static str,
    name: &'a str,
    billing_email: String,
    created_at: InMillis,
    updated_at: InMillis,
    plan: &'static str,
    valid_billing_info: bool,
    sso: bool,
    sso_directory: bool,
    single_tenancy: bool,
    managed_tenancy: bool,
    has_past_due_invoices: Option<bool>,
    database_count: usize,
    sso_portal_url: Option<String>,
    features: Features,
    idp_managed_roles: bool,
    invoice_budget_amount: &'static str,
    keyspace_shard_limit: u32,
    has_card: bool,
    payment_info_required: bool,
    // Not in the specification, seen in answers.
    flags: Empty,
    idp_sso_managed_roles: bool,
    unrestricted_idp_organization_membership: bool,
    invoice_budget_alerts: [u8; 0],
    allow_llm_usage: bool,
}

#[derive(Serialize)]
struct Features {
    insights: bool,
    query_recommendations: bool,
}

pub(super) fn organization(organization: &Organization) -> OrganizationView<'_> {
    OrganizationView {
        id: organization.id,
        r#type: "Organization",
        name: &organization.name,
        billing_email: format!("{NEVER_KEEP}@example.com"),
        created_at: InMillis(organization.created_at),
        updated_at: InMillis(organization.created_at),
        plan: "scaler_pro",
        valid_billing_info: true,
        sso: false,
        sso_directory: false,
        single_tenancy: false,
        managed_tenancy: false,
        has_past_due_invoices: Some(false),
        database_count: organization.teams.len(),
        sso_portal_url: Some(format!("https://sso.example.com/{NEVER_KEEP}")),
        features: Features { insights: true, query_recommendations: false },
        idp_managed_roles: false,
        invoice_budget_amount: "100.0",
        keyspace_shard_limit: 8,
        has_card: true,
        payment_info_required: false,
        flags: Empty {},
        idp_sso_managed_roles: false,
        unrestricted_idp_organization_membership: false,
        invoice_budget_alerts: [],
        allow_llm_usage: false,
    }
}

/// `None` leaves a field out, `Some(None)` writes null.
#[derive(Serialize)]
pub(super) struct UserView<'a> {
    id: ObjectId,
    r#type: &'static str,
    display_name: &'a str,
    name: Option<&'a str>,
    email: &'a str,
    avatar_url: AvatarUrl,
    created_at: InMillis,
    updated_at: InMillis,
    two_factor_auth_configured: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_organization: Option<Option<DefaultOrganization<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sso: Option<Option<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    managed: Option<Option<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    directory_managed: Option<Option<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<Option<bool>>,
}

struct AvatarUrl(ObjectId);

impl Serialize for AvatarUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("https://example.com/avatars/{}.png", self.0))
    }
}

#[derive(Serialize)]
struct DefaultOrganization<'a> {
    id: ObjectId,
    name: &'a str,
    created_at: InMillis,
    updated_at: InMillis,
    deleted_at: Option<InMillis>,
}

pub(super) fn user<'a>(organization: &'a Organization, user: &'a User) -> UserView<'a> {
    let flag = |value| match user.optional {
        OptionalFields::Present => Some(Some(value)),
        OptionalFields::Null => Some(None),
        OptionalFields::Absent => None,
    };
    let default_organization = match user.optional {
        OptionalFields::Present => Some(Some(DefaultOrganization {
            id: organization.id,
            name: &organization.name,
            created_at: InMillis(organization.created_at),
            updated_at: InMillis(organization.created_at),
            deleted_at: None,
        })),
        OptionalFields::Null => Some(None),
        OptionalFields::Absent => None,
    };
    UserView {
        id: user.id,
        r#type: "User",
        display_name: &user.display_name,
        name: user.name.as_deref(),
        email: &user.email,
        avatar_url: AvatarUrl(user.id),
        created_at: InMillis(user.created_at),
        updated_at: InMillis(user.updated_at),
        two_factor_auth_configured: user.two_factor,
        default_organization,
        sso: flag(false),
        managed: flag(false),
        directory_managed: flag(false),
        email_verified: flag(true),
    }
}

#[derive(Serialize)]
pub(super) struct MembershipView<'a> {
    id: ObjectId,
    r#type: &'static str,
    role: &'a str,
    created_at: InMillis,
    updated_at: InMillis,
    user: UserView<'a>,
    // Unknown to the specification; stands for whatever the vendor adds next.
    preview: Preview,
}

#[derive(Serialize)]
struct Preview {
    labels: [&'static str; 2],
    nested: Empty,
}

pub(super) fn membership<'a>(organization: &'a Organization, member: &'a Membership) -> MembershipView<'a> {
    MembershipView {
        id: member.id,
        r#type: "OrganizationMembership",
        role: &member.role,
        created_at: InMillis(member.created_at),
        updated_at: InMillis(member.created_at),
        user: user(organization, &member.user),
        preview: Preview { labels: ["one", "two"], nested: Empty {} },
    }
}

#[derive(Serialize)]
struct Actor<'a> {
    id: ObjectId,
    r#type: &'static str,
    display_name: &'a str,
    avatar_url: AvatarUrl,
}

fn actor(user: &User) -> Actor<'_> {
    Actor { id: user.id, r#type: "User", display_name: &user.display_name, avatar_url: AvatarUrl(user.id) }
}

#[derive(Serialize)]
struct Database {
    id: ObjectId,
    r#type: &'static str,
    name: String,
    url: String,
    branches_url: String,
}

fn database(organization: &Organization, team: &Team, number: u64) -> Database {
    let name = format!("database-{}-{number}", team.number);
    let url = format!("https://api.example.com/v1/organizations/{}/databases/{name}", organization.name);
    Database {
        id: team.id.derived(Kind::Database, number),
        r#type: "Database",
        branches_url: format!("{url}/branches"),
        name,
        url,
    }
}

#[derive(Serialize)]
pub(super) struct TeamView<'a> {
    id: ObjectId,
    r#type: &'static str,
    display_name: &'a str,
    name: &'a str,
    slug: &'a str,
    description: Option<&'static str>,
    managed: bool,
    creator: Actor<'a>,
    members: Vec<UserView<'a>>,
    databases: Vec<Database>,
    analyst_databases: Vec<Database>,
    created_at: InMillis,
    updated_at: InMillis,
}

pub(super) fn team<'a>(organization: &'a Organization, team: &'a Team) -> TeamView<'a> {
    let shown = team.members.iter().take(EMBEDDED_MEMBERS);
    TeamView {
        id: team.id,
        r#type: "Team",
        display_name: &team.name,
        name: &team.name,
        slug: &team.slug,
        description: (!team.number.is_multiple_of(3)).then_some("Looks after a few databases"),
        managed: false,
        creator: actor(&team.creator),
        members: shown.map(|member| user(organization, &member.user)).collect(),
        databases: vec![database(organization, team, 1)],
        analyst_databases: if team.number.is_multiple_of(2) {
            vec![database(organization, team, 2)]
        } else {
            Vec::new()
        },
        created_at: InMillis(team.created_at),
        updated_at: InMillis(team.created_at),
    }
}

#[derive(Serialize)]
pub(super) struct TeamMembershipView<'a> {
    id: ObjectId,
    r#type: &'static str,
    user: UserView<'a>,
    actor: Actor<'a>,
    created_at: InMillis,
    updated_at: InMillis,
    passwords: [Password; 1],
}

/// What the vendor tells of a database password that a team member has. None of it may be kept.
#[derive(Serialize)]
struct Password {
    id: ObjectId,
    r#type: &'static str,
    name: &'static str,
    role: &'static str,
    username: &'static str,
    access_host_url: &'static str,
    plain_text: Option<&'static str>,
}

pub(super) fn team_membership<'a>(
    organization: &'a Organization,
    team: &'a Team,
    member: &'a TeamMembership,
) -> TeamMembershipView<'a> {
    TeamMembershipView {
        id: member.id,
        r#type: "OrganizationTeamMembership",
        user: user(organization, &member.user),
        actor: actor(&team.creator),
        created_at: InMillis(member.created_at),
        updated_at: InMillis(member.created_at),
        passwords: [Password {
            id: member.id.derived(Kind::Password, 1),
            r#type: "Password",
            name: NEVER_KEEP,
            role: "readwriter",
            username: NEVER_KEEP,
            access_host_url: "db.must-never-be-kept.example.com",
            plain_text: None,
        }],
    }
}
