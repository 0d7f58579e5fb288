//! Where credentials may go, who is trusted there, and what may be repeated of what comes back: hosts, the addresses
//! behind them, certificates, texts. Common to upstreams and to C1; it must not know what is asked of either.

mod error;
mod policy;
mod redaction;
mod resolver;
mod tls;
mod trust;
mod words;

pub use error::{AddressError, InvalidCaBundle};
pub use policy::HostPolicy;
pub(crate) use policy::is_loopback_host;
pub(crate) use redaction::Redaction;
pub(crate) use resolver::{AddressRefused, GuardedResolver};
pub use tls::Tls;
pub(crate) use tls::TlsError;
pub(crate) use trust::certificates;
pub(crate) use words::clean;
