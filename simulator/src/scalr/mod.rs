//! The simulated Scalr: one account with users and service accounts, below `/api/iacp/v3`.

mod data;
mod order;
mod query;
mod refusal;
mod routes;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use axum::response::IntoResponse as _;

pub use data::{Counts, ServiceAccount, Status, Truth, User};

use crate::error::Error;
use crate::fault::Vendor;
use crate::gate::{Credential, Turmoil};
use crate::generate::Seed;
use crate::handle::{Beginning, Handle, Simulator, begin};
use crate::server::Bound;
use data::Data;
use order::Orders;
use refusal::Refusal;
pub(crate) use wire::MEDIA_TYPE;

/// What a simulated Scalr starts with.
#[derive(Clone, Debug)]
pub struct ScalrConfig {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The bearer token that is accepted.
    pub token: String,
    /// The name of the account, which is the subdomain.
    pub account: String,
    /// The number of users. The first is the owner and active; states are mixed among the others.
    pub users: usize,
    /// The number of service accounts.
    pub service_accounts: usize,
    /// The same seed gives the same data.
    pub seed: u64,
    /// How long every answer is held back.
    pub latency: Duration,
    /// Whether to serve over TLS, with a certificate of an authority of its own.
    pub tls: bool,
}

impl Default for ScalrConfig {
    /// An account `acme` with 45 users and 3 service accounts, on a free port of the loopback interface.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            token: "simulated-scalr-token".to_owned(),
            account: "acme".to_owned(),
            users: 45,
            service_accounts: 3,
            seed: 1,
            latency: Duration::ZERO,
            tls: false,
        }
    }
}

/// A running simulated Scalr. It stops when this is dropped; everything else is done through [`Scalr`].
pub type ScalrSimulator = Simulator<Account>;

/// A handle on the data and the switches of a simulated Scalr. Clones share both.
pub type Scalr = Handle<Account>;

/// What a simulated Scalr serves. It is changed through [`Scalr`].
#[derive(Debug)]
pub struct Account {
    data: RwLock<Data>,
    orders: Orders,
}

impl ScalrSimulator {
    /// Draws the data and starts to answer. Needs a tokio runtime, on which the server then runs.
    ///
    /// # Errors
    /// When the token cannot be sent as a bearer token, the account has no name, or the address cannot be bound.
    pub async fn start(config: ScalrConfig) -> Result<Self, Error> {
        check_token(&config.token)?;
        if config.account.is_empty() {
            return Err(Error::Empty("the account's name"));
        }
        let bound = Bound::to(config.listen).await?;
        let data = Data::drawn(Seed(config.seed), &config.account, config.users, config.service_accounts);
        let account = Account { data: RwLock::new(data), orders: Orders::default() };
        let credential = Credential {
            vendor: Vendor::Scalr,
            scheme: "Bearer ",
            check: check_token,
            refuse: || Refusal::Unauthorized.into_response(),
        };
        let ScalrConfig { token, latency, tls, .. } = config;
        begin(bound, Beginning { credential, token, latency, tls }, account, routes::router)
    }
}

impl Scalr {
    /// Everything that the account has now.
    #[must_use]
    pub fn truth(&self) -> Truth {
        self.read().truth.clone()
    }

    /// How many there are of what now, without copying the truth.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.read().truth.counts()
    }

    /// Adds an active user. An email and a name are drawn where none are given.
    ///
    /// # Errors
    /// When the email is empty or in use.
    pub fn add_user(&self, email: Option<&str>, full_name: Option<&str>) -> Result<User, Error> {
        self.change(|data| data.add_user(email, full_name))
    }

    /// Removes the user with this id, relation id or email from the account and from Scalr.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn remove_user(&self, key: &str) -> Result<User, Error> {
        self.change(|data| data.remove_user(key))
    }

    /// Sets both statuses of the user with this id, relation id or email.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn set_user_status(&self, key: &str, relation: Status, user: Status) -> Result<(), Error> {
        self.change(|data| data.set_user_status(key, relation, user))
    }

    /// Makes the relation of a user to the account inactive; the user stays active elsewhere.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn disable_user(&self, key: &str) -> Result<(), Error> {
        self.set_user_status(key, Status::Inactive, Status::Active)
    }

    /// Adds an active service account. A name is drawn where none is given.
    ///
    /// # Errors
    /// When the name is empty or in use.
    pub fn add_service_account(&self, name: Option<&str>) -> Result<ServiceAccount, Error> {
        self.change(|data| data.add_service_account(name))
    }

    /// Removes the service account with this id, name or email.
    ///
    /// # Errors
    /// When there is no such service account.
    pub fn remove_service_account(&self, key: &str) -> Result<ServiceAccount, Error> {
        self.change(|data| data.remove_service_account(key))
    }

    /// Switches the service account with this id, name or email on or off.
    ///
    /// # Errors
    /// When there is no such service account.
    pub fn set_service_account_active(&self, key: &str, active: bool) -> Result<(), Error> {
        self.change(|data| data.set_service_account_active(key, active))
    }

    /// Puts service accounts into the account's quotas, or takes them out; the listing then answers 403.
    pub fn set_service_accounts_available(&self, available: bool) {
        self.change(|data| data.truth.service_accounts_available = available);
    }

    fn read(&self) -> RwLockReadGuard<'_, Data> {
        self.state.data.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Data) -> T) -> T {
        self.state.change(change)
    }
}

impl Account {
    /// The one way to change data: what was sorted before is forgotten before anybody reads again.
    fn change<T>(&self, change: impl FnOnce(&mut Data) -> T) -> T {
        let mut data = self.data.write().unwrap_or_else(PoisonError::into_inner);
        self.orders.forget();
        change(&mut data)
    }
}

impl Turmoil for Account {
    fn slide(&self, path: &str, place: usize) {
        self.change(|data| {
            if path.ends_with("/service-accounts") {
                data.slide_programs(place)
            } else {
                data.slide_people(place)
            }
        });
    }

    fn vanish(&self, _: &str) {}
}

fn check_token(token: &str) -> Result<(), Error> {
    let sendable = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    sendable.then_some(()).ok_or(Error::ScalrTokenForm)
}
