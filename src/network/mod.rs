//! Where credentials may go, and who is trusted there: hosts, the addresses behind them, certificates. Common to
//! upstreams and to C1; it must not know what is asked of either.

mod error;
mod policy;
mod resolver;
mod trust;

pub use error::{AddressError, InvalidCaBundle};
pub use policy::HostPolicy;
pub(crate) use policy::is_loopback_host;
pub(crate) use resolver::{AddressRefused, GuardedResolver};
pub(crate) use trust::certificates;
