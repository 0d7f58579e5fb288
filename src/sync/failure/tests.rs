//! Every sentence that a run can end with, in one list for people to review: `snapshots/`.

use std::io;
use std::path::PathBuf;

use rstest::rstest;

use super::*;
use crate::access::SinkClosed;
use crate::api::Class;
use crate::network::InvalidCaBundle;
use crate::snapshot::WriteError;

/// Does `message` say what is wrong, and then what to do or what happens next?
pub(crate) fn assert_says_what_to_do(message: &str) {
    let first = message.split(' ').next().unwrap();
    assert!(
        first.starts_with(char::is_uppercase) || first.contains(['.', ':']),
        "begins like no sentence: {message}"
    );
    assert!(message.ends_with('.') && !message.contains(".."), "ends like no sentence: {message}");
    assert!(message.contains(". "), "says nothing of what to do: {message}");
    assert!(!message.contains("  ") && !message.contains('\n'), "is not one line: {message}");
}

fn credential() -> Credential {
    set_by(Settings::Spec)
}

fn set_by(settings: Settings) -> Credential {
    let [place, address, scope] = match settings {
        Settings::Spec => ["key api-token of Secret acme", "spec.baseUrl", "spec.account"],
        Settings::Flags => [
            "--scalr-api-token (BATON_SCALR_API_TOKEN)",
            "--scalr-base-url (BATON_SCALR_BASE_URL)",
            "--scalr-account (BATON_SCALR_ACCOUNT)",
        ],
    }
    .map(str::to_owned);
    Credential { name: "API token", place, address, scope, settings }
}

/// Which of the errors it is: a new one has no number yet, and is to be among `read_errors` too.
fn number(error: &ReadError) -> usize {
    match error {
        ReadError::Unauthorized { .. } => 0,
        ReadError::Forbidden { .. } => 1,
        ReadError::MissingGrant { .. } => 2,
        ReadError::AccountNotFound(_) => 3,
        ReadError::AccountAmbiguous(_) => 4,
        ReadError::OrganizationGone(_) => 5,
        ReadError::Unreachable { .. } => 6,
        ReadError::AddressRefused { .. } => 7,
        ReadError::Tls { .. } => 8,
        ReadError::RateLimited { .. } => 9,
        ReadError::Upstream { .. } => 10,
        ReadError::UnexpectedResponse { .. } => 11,
        ReadError::ListingChanged { .. } => 12,
        ReadError::EmptyAccount(_) => 13,
        ReadError::NoOrganizations(_) => 14,
        ReadError::EmptyOrganization(_) => 15,
        ReadError::SinkClosed(_) => 16,
    }
}

/// One of each, with what an upstream may say.
fn read_errors() -> Vec<ReadError> {
    let vendor = "Scalr";
    let request = || "GET acme.scalr.io/api/iacp/v3/account-users".to_owned();
    let detail = || "Unauthorized (x-request-id r-1)".to_owned();
    let host = || "acme.scalr.io".to_owned();
    let refused = ReadError::Forbidden {
        vendor: "PlanetScale",
        what: "the members of the organization acme".to_owned(),
        request: "GET api.planetscale.com/v1/organizations/acme/members".to_owned(),
        status: 404,
        detail: "not_found: Not Found".to_owned(),
    };
    let grant = "the access grant read_organization on the organization acme".to_owned();
    vec![
        ReadError::Unauthorized { vendor, request: request(), detail: detail() },
        ReadError::Forbidden { vendor, what: "the account's users".to_owned(), request: request(), status: 403, detail: detail() },
        ReadError::MissingGrant { refusal: Box::new(refused), grant },
        ReadError::AccountNotFound("acme.scalr.io shows this token no account named `acme`: the name is wrong, or the token is of another account".to_owned()),
        ReadError::AccountAmbiguous("acme.scalr.io shows this token several accounts named `acme`".to_owned()),
        ReadError::OrganizationGone("the organization acme was among those that the service token reaches, and is no longer".to_owned()),
        ReadError::Unreachable { host: host(), problem: "no connection in time".to_owned() },
        ReadError::AddressRefused { host: host(), problem: "its name leads to 10.0.0.1, where this operator sends nothing".to_owned() },
        ReadError::Tls { host: host(), problem: "invalid peer certificate: UnknownIssuer".to_owned() },
        ReadError::RateLimited { vendor, request: request(), detail: detail(), retry_after: None },
        ReadError::Upstream { vendor, request: request(), status: 503, detail: detail() },
        ReadError::UnexpectedResponse { request: request(), problem: "it is text/html, not JSON".to_owned() },
        ReadError::ListingChanged { listing: "the account's users".to_owned(), problem: "there were 7, and there are 8".to_owned() },
        ReadError::EmptyAccount("the Scalr account acme shows not a single user, though it must have an owner".to_owned()),
        ReadError::NoOrganizations("the service token reaches no organization at api.planetscale.com".to_owned()),
        ReadError::EmptyOrganization("the PlanetScale organization acme shows not a single member, though it must have an administrator".to_owned()),
        ReadError::SinkClosed(SinkClosed),
    ]
}

fn config_errors() -> Vec<ConfigError> {
    let host = "scalr.corp.example".to_owned();
    vec![
        ConfigError::Credential { what: "API token", problem: "is empty" },
        ConfigError::Setting {
            what: "account name",
            problem: "is not the subdomain of a Scalr address (lower-case letters, digits and hyphens)",
        },
        ConfigError::Address(AddressError::Invalid {
            url: "https://acme.scalr.io/x".to_owned(),
            problem: "has a path",
        }),
        ConfigError::Address(AddressError::HostNotAllowed { host }),
        ConfigError::Address(AddressError::HostPattern { pattern: "*".to_owned() }),
        ConfigError::CaBundle(InvalidCaBundle("the first certificate is cut off".to_owned())),
        ConfigError::Client("the proxy's address is none".to_owned()),
    ]
}

fn publish_errors() -> Vec<PublishError> {
    let full = || io::Error::from(io::ErrorKind::StorageFull);
    let path = || PathBuf::from("/snapshots/identity");
    let store = PublishError::Store;
    vec![
        PublishError::Write(WriteError::Scratch { path: path(), source: full() }),
        PublishError::Write(WriteError::Duplicate { what: "resource", id: "user:u1".to_owned() }),
        store(StoreError::Io { doing: "writing", path: path(), source: full() }),
        store(StoreError::Occupied { place: path().display().to_string() }),
    ]
}

#[test]
fn every_sentence_says_what_is_wrong_and_what_to_do() {
    let mut all = String::new();
    let mut tell = |title: &str, failures: Vec<Failure>| {
        all += &format!("## {title}\n");
        for failure in failures {
            assert_says_what_to_do(&failure.message);
            all += &format!("{}: {}\n", failure.reason.as_str(), failure.message);
        }
    };
    let errors = read_errors();
    let numbers: Vec<usize> = errors.iter().map(number).collect();
    assert_eq!(numbers, (0..17).collect::<Vec<_>>());
    for (title, settings) in [("In a cluster", Settings::Spec), ("By itself", Settings::Flags)] {
        let credential = set_by(settings);
        tell(title, errors.iter().map(|error| Failure::read(error, &credential)).collect());
        tell("Settings", config_errors().iter().map(|error| Failure::config(error, &credential)).collect());
        tell("Too long", vec![Failure::new(Reason::TimedOut, settings.timed_out(1800))]);
    }
    tell("Snapshots", publish_errors().iter().map(Failure::publish).collect());
    insta::assert_snapshot!(all);
}

#[rstest]
#[case(ReadError::AccountNotFound("x".to_owned()), Reason::AccountNotFound, "belongs to that account")]
#[case(ReadError::AccountAmbiguous("x".to_owned()), Reason::AccountAmbiguous, "address")]
#[case(ReadError::EmptyAccount("x".to_owned()), Reason::EmptyAccount, "read the users")]
#[case(ReadError::NoOrganizations("x".to_owned()), Reason::NoOrganizations, "read_organization on each")]
#[case(ReadError::EmptyOrganization("x".to_owned()), Reason::EmptyOrganization, "shows its members")]
fn what_only_a_person_can_mend_says_how_and_waits_for_them(
    #[case] error: ReadError,
    #[case] reason: Reason,
    #[case] remedy: &str,
) {
    let credential = credential();
    let failure = Failure::read(&error, &credential);
    assert_eq!((failure.reason, reason.class()), (reason, Some(Class::WaitForChange)));
    assert!(failure.message.contains(remedy), "{}", failure.message);
    assert!(failure.authenticated, "somebody who shows an answer has taken the credential");
}

#[test]
fn an_organization_that_went_is_read_without_the_next_time() {
    let credential = credential();
    let failure = Failure::read(&ReadError::OrganizationGone("it went".to_owned()), &credential);
    assert_eq!(failure.reason.class(), Some(Class::Retry));
    assert!(failure.message.contains("the next run reads without it"), "{}", failure.message);
}
