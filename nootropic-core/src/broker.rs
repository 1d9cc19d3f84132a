//! Who decides on outgoing connections.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::endpoint::{self, is_public};
use crate::{Effect, Endpoint, Error, Host, Result};

/// Decides on every outgoing connection. It makes none itself.
///
/// Our own code gets its network clients from one place that asks the broker; a foreign library is started only after the
/// broker has allowed the endpoint it will use. Whoever connects
/// 1. asks [`decide`](Self::decide), for each redirect again;
/// 2. resolves the name once, asks [`decide_address`](Self::decide_address), and connects to exactly that address, so that a
///    name which is made to point elsewhere in between gains nothing;
/// 3. uses no proxy that was not itself decided on.
///
/// # Contract
/// - The same question has the same answer, from any thread, and is answered at once.
/// - What is not expressly allowed is refused, with [`Error::Denied`].
/// - An address is allowed only for an endpoint that is allowed.
///
/// `testing::broker_suite` checks all of it (feature `testing`).
pub trait EgressBroker: fmt::Debug + Send + Sync {
    /// Whether to connect there at all, before any name is resolved.
    ///
    /// # Errors
    /// [`Error::Denied`], with the rule or its absence as the reason.
    fn decide(&self, endpoint: &Endpoint) -> Result<()>;

    /// Whether to connect to `address`, one of those that `endpoint` resolved to.
    ///
    /// # Errors
    /// [`Error::Denied`].
    fn decide_address(&self, endpoint: &Endpoint, address: IpAddr) -> Result<()>;
}

const _: fn(&dyn EgressBroker) = |_| {}; // the gate holds `Arc<dyn EgressBroker>`

/// Refuses everything: what applies until somebody opts in.
#[derive(Debug, Clone, Copy, Default)]
pub struct SealedBroker;

impl EgressBroker for SealedBroker {
    fn decide(&self, endpoint: &Endpoint) -> Result<()> {
        Err(denied(endpoint, "no connection was opted in to"))
    }

    fn decide_address(&self, endpoint: &Endpoint, _: IpAddr) -> Result<()> {
        self.decide(endpoint)
    }
}

/// Allows what its rules name and refuses the rest.
///
/// ```
/// use nootropic_core::{AllowListBroker, EgressBroker};
///
/// let broker = AllowListBroker::new(["https://*.example.com".parse()?, "http://localhost:11434".parse()?]);
/// assert!(broker.decide(&"https://api.example.com/v1".parse()?).is_ok());
/// assert!(broker.decide(&"https://example.com.evil.org".parse()?).is_err());
/// // A public name that resolves to a private address is refused.
/// assert!(broker.decide_address(&"https://api.example.com".parse()?, [10, 0, 0, 1].into()).is_err());
/// # Ok::<(), nootropic_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct AllowListBroker {
    rules: Vec<HostRule>,
}

impl AllowListBroker {
    /// A broker with these rules.
    pub fn new(rules: impl IntoIterator<Item = HostRule>) -> Self {
        Self { rules: rules.into_iter().collect() }
    }

    /// Its rules.
    pub fn rules(&self) -> &[HostRule] {
        &self.rules
    }
}

impl EgressBroker for AllowListBroker {
    fn decide(&self, endpoint: &Endpoint) -> Result<()> {
        if self.rules.iter().any(|rule| rule.allows(endpoint)) {
            return Ok(());
        }
        Err(denied(endpoint, "no rule allows it"))
    }

    fn decide_address(&self, endpoint: &Endpoint, address: IpAddr) -> Result<()> {
        self.decide(endpoint)?;
        if self.rules.iter().any(|rule| rule.allows(endpoint) && rule.allows_address(endpoint, address)) {
            return Ok(());
        }
        Err(denied(endpoint, &format!("it resolved to {address}, which no rule allows")))
    }
}

fn denied(endpoint: &Endpoint, reason: &str) -> Error {
    Error::Denied { effect: Effect::Connect { endpoint: endpoint.clone() }.to_string(), reason: reason.to_owned() }
}

/// Names a set of endpoints, as text: `[SCHEME://]HOST[:PORT][ private]`.
///
/// `HOST` is a name, an address, `*.example.com` (every name below it, not itself) or `*` (every host). Without a scheme or a
/// port every one is meant. A rule means public addresses only, unless it names a loopback host or the address itself or ends
/// in ` private`: `https://git.corp.example private`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct HostRule {
    scheme: Option<String>,
    host: HostPattern,
    port: Option<u16>,
    private: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum HostPattern {
    Any,
    /// Every name that ends in a dot and this.
    Below(String),
    Exactly(Host),
}

impl HostRule {
    /// Whether the rule's text names `endpoint`, whatever kind of address it has. For rules that refuse.
    pub fn names(&self, endpoint: &Endpoint) -> bool {
        let host = match (&self.host, endpoint.host()) {
            (HostPattern::Any, _) => true,
            (HostPattern::Below(parent), Host::Name(name)) => {
                name.strip_suffix(parent.as_str()).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
            }
            (HostPattern::Below(_), Host::Address(_)) => false,
            (HostPattern::Exactly(host), other) => host == other,
        };
        host && self.scheme.as_deref().is_none_or(|scheme| scheme == endpoint.scheme())
            && self.port.is_none_or(|port| port == endpoint.port())
    }

    /// Whether the rule allows connecting to `endpoint`, as far as can be said before its name is resolved.
    pub fn allows(&self, endpoint: &Endpoint) -> bool {
        let public = match endpoint.host() {
            Host::Address(address) => is_public(*address),
            name => !name.is_loopback(),
        };
        self.names(endpoint) && (public || self.private || matches!(self.host, HostPattern::Exactly(_)))
    }

    /// Whether the rule allows `address` for an endpoint that it allows.
    fn allows_address(&self, endpoint: &Endpoint, address: IpAddr) -> bool {
        match endpoint.host() {
            Host::Address(own) => *own == address.to_canonical(),
            name if name.is_loopback() => address.to_canonical().is_loopback(),
            _ => self.private || is_public(address),
        }
    }
}

impl FromStr for HostRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |problem: &str| Error::invalid(format!("host rule {text:?}"), problem);
        let (rest, private) = match text.strip_suffix(" private") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let (scheme, rest) = match rest.split_once("://") {
            Some((scheme, rest)) => (Some(endpoint::scheme_of(scheme).ok_or_else(|| bad("this is no scheme"))?), rest),
            None => (None, rest),
        };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, Some(endpoint::port_of(port).ok_or_else(|| bad("a port is a number of 1 to 65535"))?))
            }
            _ => (rest, None),
        };
        let host = match (host, host.strip_prefix("*.")) {
            ("*", _) => HostPattern::Any,
            (_, Some(parent)) => match parent.parse()? {
                Host::Name(name) => HostPattern::Below(name),
                Host::Address(_) => return Err(bad("an address has nothing below it")),
            },
            _ => HostPattern::Exactly(host.parse()?),
        };
        Ok(Self { scheme, host, port, private })
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &self.scheme {
            write!(f, "{scheme}://")?;
        }
        match &self.host {
            HostPattern::Any => f.write_str("*")?,
            HostPattern::Below(parent) => write!(f, "*.{parent}")?,
            HostPattern::Exactly(host) => write!(f, "{host}")?,
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(if self.private { " private" } else { "" })
    }
}

impl TryFrom<String> for HostRule {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<HostRule> for String {
    fn from(rule: HostRule) -> Self {
        rule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(rules: &[&str]) -> AllowListBroker {
        AllowListBroker::new(rules.iter().map(|rule| rule.parse().unwrap()))
    }

    fn allows(rules: &[&str], url: &str) -> bool {
        broker(rules).decide(&url.parse().unwrap()).is_ok()
    }

    fn allows_address(rules: &[&str], url: &str, address: &str) -> bool {
        broker(rules).decide_address(&url.parse().unwrap(), address.parse().unwrap()).is_ok()
    }

    #[test]
    fn a_rule_means_its_scheme_host_and_port() {
        let rules = ["https://api.example.com", "*.example.org:8443", "http://[2606:4700::1]:80"];
        for (url, expected) in [
            ("https://api.example.com", true),
            ("https://API.example.com.:444", true),
            ("http://api.example.com", false),
            ("https://example.com", false),
            ("https://xapi.example.com", false),
            ("https://api.example.com.evil.org", false),
            ("http://a.b.example.org:8443", true),
            ("http://example.org:8443", false),
            ("http://evilexample.org:8443", false),
            ("http://a.example.org", false),
            ("http://[2606:4700:0::1]", true),
        ] {
            assert_eq!(allows(&rules, url), expected, "{url}");
        }
    }

    #[test]
    fn everywhere_does_not_mean_the_inner_network() {
        for url in [
            "http://10.0.0.1",
            "http://127.0.0.1",
            "http://localhost",
            "http://a.localhost",
            "http://[::1]",
            "http://169.254.169.254",
        ] {
            assert!(!allows(&["*"], url), "{url}");
            assert!(allows(&["* private"], url), "{url}");
        }
        assert!(allows(&["*"], "http://8.8.8.8"));
        assert!(allows(&["http://10.0.0.1"], "http://[::ffff:10.0.0.1]"), "an address that is named is meant");
    }

    #[test]
    fn a_name_that_resolves_inside_is_refused() {
        let url = "https://api.example.com";
        assert!(allows_address(&[url], url, "93.184.216.34"));
        for inside in
            ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:192.168.0.1", "64:ff9b::7f00:1"]
        {
            assert!(!allows_address(&[url], url, inside), "{inside}");
            assert!(allows_address(&["https://api.example.com private"], url, inside), "{inside}");
        }
        assert!(!allows_address(&["https://other.example"], url, "93.184.216.34"));
    }

    #[test]
    fn localhost_is_here_and_an_address_is_itself() {
        assert!(allows_address(&["localhost"], "http://localhost", "127.0.0.1"));
        assert!(allows_address(&["localhost"], "http://localhost", "::1"));
        assert!(!allows_address(&["localhost"], "http://localhost", "93.184.216.34"));
        assert!(allows_address(&["10.0.0.1"], "http://10.0.0.1", "10.0.0.1"));
        assert!(!allows_address(&["10.0.0.1"], "http://10.0.0.1", "10.0.0.2"));
    }

    #[test]
    fn rules_read_back_as_they_are_written() {
        for rule in ["*", "https://*.example.com:8443", "[::1]:80", "http://10.0.0.1 private", "localhost"] {
            assert_eq!(rule.parse::<HostRule>().unwrap().to_string(), rule);
        }
        for rule in [
            "",
            "*.",
            "**",
            "a.*.com",
            "*.10.0.0.1",
            "example.com:",
            "example.com/path",
            "user@example.com",
            "a b",
            "://x",
        ] {
            assert!(rule.parse::<HostRule>().is_err(), "{rule}");
        }
    }
}
