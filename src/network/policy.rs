//! Where a token may go: the hosts that the cluster's administrator has listed, and the addresses behind them.
//! A connector's author names a host; only this list says whether anything is sent there.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::AddressError;

/// Addresses outside the link-local range at which clouds serve credentials to whoever asks.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// The hosts that a token may be sent to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostPolicy {
    exact: BTreeSet<String>,
    /// Each with its leading dot.
    suffixes: BTreeSet<String>,
    loopback: bool,
}

impl HostPolicy {
    /// The hosts in `patterns`: each a host name or IP address, or `*.` and the end of host names. `*.scalr.io`
    /// stands for every name below `scalr.io`, not for `scalr.io`. Loopback is not among them.
    ///
    /// # Errors
    /// [`AddressError::HostPattern`] for anything else.
    pub fn new<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self, AddressError> {
        let mut policy = Self::default();
        for pattern in patterns {
            policy.add(pattern.as_ref().trim())?;
        }
        Ok(policy)
    }

    /// The one host of `origin`, where whoever runs the program has named it: this machine too, and there also without TLS.
    ///
    /// # Errors
    /// [`AddressError::HostPattern`] where its host is none.
    pub fn of_origin(origin: &Url) -> Result<Self, AddressError> {
        Ok(Self::new(origin.host_str())?.with_loopback(true))
    }

    /// The same, where `allowed` says whether the machine itself (`localhost`, `127.0.0.0/8`, `::1`) is a host to
    /// send tokens to, also by plain http. For demonstrations and tests.
    #[must_use]
    pub fn with_loopback(mut self, allowed: bool) -> Self {
        self.loopback = allowed;
        self
    }

    fn add(&mut self, pattern: &str) -> Result<(), AddressError> {
        let refuse = || AddressError::HostPattern { pattern: pattern.to_owned() };
        let suffix = pattern.strip_prefix("*.");
        let host = Host::parse(suffix.unwrap_or(pattern)).map_err(|_| refuse())?;
        match (suffix, host) {
            (_, Host::Domain(name)) if without_root(&name).is_empty() || name.contains('*') => {
                return Err(refuse());
            }
            (Some(_), Host::Domain(name)) => self.suffixes.insert(format!(".{}", without_root(&name))),
            (Some(_), _) => return Err(refuse()),
            (None, host) => self.exact.insert(without_root(&host.to_string()).to_owned()),
        };
        Ok(())
    }

    /// Is `base` an origin that requests, and with them a token, may go to?
    ///
    /// # Errors
    /// [`AddressError::Invalid`] where it is no origin or not https, [`AddressError::HostNotAllowed`] where its host
    /// is not listed.
    pub fn check(&self, base: &Url) -> Result<(), AddressError> {
        let address = |problem| AddressError::Invalid { url: base.origin().ascii_serialization(), problem };
        let host = base.host().ok_or_else(|| address("has no host"))?;
        if !base.username().is_empty() || base.password().is_some() {
            return Err(address("must not carry a user name or password"));
        }
        if base.path() != "/" || base.query().is_some() || base.fragment().is_some() {
            return Err(address("must be an origin: a scheme and a host, without a path or query"));
        }
        match base.scheme() {
            "https" => {}
            "http" if is_loopback_host(&host) => {}
            _ => return Err(address("must begin with https://")),
        }
        if self.lists(&host) { Ok(()) } else { Err(AddressError::HostNotAllowed { host: host.to_string() }) }
    }

    fn lists(&self, host: &Host<&str>) -> bool {
        if is_loopback_host(host) {
            return self.loopback;
        }
        match host {
            Host::Domain(name) => self.lists_name(without_root(name)),
            Host::Ipv4(address) => self.permits(&host.to_string(), IpAddr::V4(*address)),
            Host::Ipv6(address) => self.permits(&host.to_string(), IpAddr::V6(*address)),
        }
    }

    fn lists_name(&self, name: &str) -> bool {
        self.exact.contains(name)
            || self.suffixes.iter().any(|suffix| name.len() > suffix.len() && name.ends_with(suffix.as_str()))
    }

    /// May a connection for the listed `host` go to `address`? Private ones only where the host is listed by its
    /// full name, so that a wildcard cannot be pointed into the cluster's own network; an address written as the
    /// host only where it is listed itself.
    pub(super) fn permits(&self, host: &str, address: IpAddr) -> bool {
        let listed_exactly = self.exact.contains(without_root(host));
        let is_literal = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        match range_of(address) {
            Range::Never => false,
            Range::Loopback => self.loopback,
            Range::Private => listed_exactly,
            Range::Public => listed_exactly || !is_literal,
        }
    }
}

/// A host name without the dot that stands for the root of all names.
fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// Does the host itself say that it is this machine?
pub(crate) fn is_loopback_host(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => without_root(name) == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => range_of(IpAddr::V6(*address)) == Range::Loopback,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Never,
    Loopback,
    Private,
    Public,
}

fn range_of(address: IpAddr) -> Range {
    let address = embedded_v4(address);
    if METADATA.contains(&address) || address.is_unspecified() || address.is_multicast() {
        return Range::Never;
    }
    if address.is_loopback() {
        return Range::Loopback;
    }
    match address {
        IpAddr::V4(v4) if v4.is_link_local() || v4.is_broadcast() || v4.octets().starts_with(&[0]) => {
            Range::Never
        }
        IpAddr::V4(v4) if v4.is_private() || is_shared(v4) => Range::Private,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Range::Never,
        IpAddr::V6(v6) if v6.is_unique_local() => Range::Private,
        _ => Range::Public,
    }
}

/// The IPv4 address that an IPv6 one stands for (`::ffff:0:0/96`, and NAT64's `64:ff9b::/96`).
fn embedded_v4(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            IpAddr::V4(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)))
        }
        _ => address.to_canonical(),
    }
}

/// Carrier-grade NAT, `100.64.0.0/10` (RFC 6598), which some clusters use for pods.
fn is_shared(address: Ipv4Addr) -> bool {
    matches!(address.octets(), [100, second, ..] if second & 0xc0 == 0x40)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn policy() -> HostPolicy {
        HostPolicy::new(["*.scalr.io", "API.planetscale.com", "scalr.corp.example", "10.1.2.3"]).unwrap()
    }

    #[rstest]
    #[case("https://acme.scalr.io")]
    #[case("https://ACME.scalr.io.")]
    #[case("https://eu.acme.scalr.io:8443/")]
    #[case("https://api.planetscale.com")]
    #[case("https://10.1.2.3")]
    fn listed_hosts_may_be_asked(#[case] base: Url) {
        assert_eq!(policy().check(&base), Ok(()));
    }

    #[rstest]
    #[case("https://scalr.io")]
    #[case("https://notscalr.io")]
    #[case("https://acme.scalr.io.evil.example")]
    #[case("https://planetscale.com")]
    #[case("https://127.0.0.1")]
    #[case("https://localhost")]
    #[case("http://[::1]:8080")]
    #[case("https://[::ffff:127.0.0.1]")]
    #[case("https://169.254.169.254")]
    #[case("https://10.1.2.4")]
    #[case("https://8.8.8.8")]
    fn any_other_host_is_refused(#[case] base: Url) {
        assert!(matches!(policy().check(&base), Err(AddressError::HostNotAllowed { .. })));
    }

    #[rstest]
    #[case("http://acme.scalr.io", "https")]
    #[case("ftp://acme.scalr.io", "https")]
    #[case("https://acme.scalr.io/api", "origin")]
    #[case("https://acme.scalr.io/?a=b", "origin")]
    #[case("https://acme.scalr.io/#a", "origin")]
    #[case("https://ada:canary@acme.scalr.io", "password")]
    fn an_address_that_is_no_https_origin_is_refused(#[case] base: Url, #[case] because: &str) {
        let message = policy().check(&base).unwrap_err().to_string();
        assert!(message.contains(because), "{message}");
        assert!(!message.contains("canary"), "{message}");
    }

    #[rstest]
    #[case("http://localhost:8080")]
    #[case("http://127.0.0.1:8080")]
    #[case("http://[::1]:8080")]
    fn loopback_may_be_asked_over_http_where_the_administrator_says_so(#[case] base: Url) {
        assert_eq!(HostPolicy::default().with_loopback(true).check(&base), Ok(()));
        assert!(HostPolicy::new(["localhost", "127.0.0.1", "[::1]"]).unwrap().check(&base).is_err());
    }

    #[rstest]
    #[case("")]
    #[case("*")]
    #[case("*.")]
    #[case("*.*.example")]
    #[case("a.*.example")]
    #[case("https://acme.scalr.io")]
    #[case("acme.scalr.io/path")]
    #[case("*.10.0.0.1")]
    fn a_pattern_that_is_no_host_is_refused(#[case] pattern: &str) {
        assert!(HostPolicy::new([pattern]).is_err(), "{pattern}");
    }

    #[rstest]
    #[case("acme.scalr.io", "34.1.2.3", true)]
    #[case("acme.scalr.io", "10.0.0.1", false)]
    #[case("acme.scalr.io", "100.64.0.1", false)]
    #[case("acme.scalr.io", "fd12::1", false)]
    #[case("acme.scalr.io", "127.0.0.1", false)]
    #[case("acme.scalr.io", "0.0.0.0", false)]
    #[case("scalr.corp.example", "10.0.0.1", true)]
    #[case("scalr.corp.example", "fd12::1", true)]
    #[case("scalr.corp.example", "::ffff:10.0.0.1", true)]
    #[case("scalr.corp.example", "169.254.169.254", false)]
    #[case("scalr.corp.example", "::ffff:169.254.169.254", false)]
    #[case("scalr.corp.example", "64:ff9b::a9fe:a9fe", false)]
    #[case("scalr.corp.example", "fe80::1", false)]
    #[case("scalr.corp.example", "fd00:ec2::254", false)]
    #[case("scalr.corp.example", "127.0.0.1", false)]
    fn the_address_behind_a_name_is_looked_at_too(
        #[case] host: &str,
        #[case] address: IpAddr,
        #[case] permitted: bool,
    ) {
        assert_eq!(policy().permits(host, address), permitted);
    }

    proptest! {
        #[test]
        fn a_wildcard_covers_the_names_below_it_and_no_others(
            label in "[a-z]([a-z0-9-]{0,8}[a-z0-9])?",
            suffix in "[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\\.[a-z]{2,5}){1,2}",
        ) {
            let policy = HostPolicy::new([format!("*.{suffix}")]).unwrap();
            let [below, glued, extended] = [
                format!("{label}.{suffix}"),
                format!("{label}{suffix}"),
                format!("{label}.{suffix}.{label}"),
            ];
            prop_assert!(policy.lists_name(&below));
            prop_assert!(!policy.lists_name(&suffix));
            prop_assert!(!policy.lists_name(&glued));
            prop_assert!(!policy.lists_name(&extended));
        }
    }
}
