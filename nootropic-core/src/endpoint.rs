//! Where a connection goes, in exactly one spelling.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A scheme, a host and a port, normalised so that one place has one spelling.
///
/// Addresses disguised as names are what this type is for. Accepted are names of ASCII letters, digits, `-` and `_`
/// (lower-cased, one trailing dot removed; international names in their `xn--` form), IPv4 in four plain decimal numbers,
/// and IPv6 in brackets, of which the forms that carry an IPv4 address become that address. Refused is whatever two programs
/// may read differently: user names, percent-encoding, backslashes, white space, zone indices, numbers that are no IPv4 address
/// (`2130706433`, `0x7f.1`, `127.1`, `0177.0.0.1`).
///
/// ```
/// use nootropic_core::Endpoint;
///
/// let endpoint: Endpoint = "HTTPS://Example.COM./v1/models?x=1".parse()?;
/// assert_eq!(endpoint.to_string(), "https://example.com:443");
/// assert_eq!("http://[::ffff:127.0.0.1]".parse::<Endpoint>()?.to_string(), "http://127.0.0.1:80");
/// assert!("http://user@example.com".parse::<Endpoint>().is_err());
/// assert!("http://0x7f.1".parse::<Endpoint>().is_err());
/// # Ok::<(), nootropic_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Endpoint {
    scheme: String,
    host: Host,
    port: u16,
}

/// A host, normalised as [`Endpoint`] says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A name, in lower case and without a trailing dot.
    Name(String),
    /// An address. An IPv6 address that carries an IPv4 address is given as the latter.
    Address(IpAddr),
}

impl Endpoint {
    /// An endpoint of its parts.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if a part is not as the type says, or the port is 0.
    pub fn new(scheme: &str, host: &str, port: u16) -> Result<Self> {
        let scheme = scheme_of(scheme).ok_or_else(|| bad(scheme, "a scheme has letters, digits, `+`, `-` and `.`"))?;
        if port == 0 {
            return Err(bad(host, "port 0 cannot be connected to"));
        }
        Ok(Self { scheme, host: host.parse()?, port })
    }

    /// The scheme, in lower case, e.g. `https`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host.
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

/// Reads a URL; path, query and fragment are ignored. The port may be left out where the scheme has one of its own.
impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        if let Some(c) = url.chars().find(|c| c.is_whitespace() || c.is_control() || *c == '\\') {
            return Err(bad(url, &format!("{c:?} has no place in a URL")));
        }
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| bad(url, "a URL begins with a scheme, like `https://`"))?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(bad(url, "a user name does not belong here"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let port = match port {
            None | Some("") => default_port(scheme).ok_or_else(|| bad(url, "a port is missing"))?,
            Some(port) => port_of(port).ok_or_else(|| bad(url, "a port is a number of 1 to 65535"))?,
        };
        Self::new(scheme, host, port)
    }
}

impl FromStr for Host {
    type Err = Error;

    fn from_str(host: &str) -> Result<Self> {
        if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address: Ipv6Addr = inner.parse().map_err(|_| bad(host, "this is no IPv6 address"))?;
            return Ok(Self::Address(plain_address(IpAddr::V6(address))));
        }
        if let Ok(address) = host.parse::<Ipv4Addr>() {
            return Ok(Self::Address(IpAddr::V4(address)));
        }
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        if name.parse::<Ipv4Addr>().is_ok() {
            return Err(bad(host, "an address has no trailing dot"));
        }
        let label = |label: &str| {
            let letters = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            (1..=63).contains(&label.len()) && letters && !label.starts_with('-') && !label.ends_with('-')
        };
        if name.len() > 253 || !name.split('.').all(label) {
            return Err(bad(host, "a host is a name of ASCII letters, digits and `-`, or an address"));
        }
        let last = name.rsplit('.').next().unwrap_or_default();
        if last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") {
            return Err(bad(host, "an IPv4 address is written as four decimal numbers"));
        }
        Ok(Self::Name(name))
    }
}

impl Host {
    /// Whether a connection to it stays on this machine by definition (`localhost`, RFC 6761, and loopback addresses).
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Self::Address(address) => address.is_loopback(),
        }
    }
}

/// Whether an address belongs to the public internet: not loopback, private, link-local (where clouds keep their metadata
/// service), shared, multicast, reserved or for documentation, also not inside an IPv6 address that carries it.
///
/// Source: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890).
pub fn is_public(address: IpAddr) -> bool {
    match plain_address(address) {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let special = v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_documentation()
                || a == 0
                || a >= 224 // multicast, reserved, broadcast
                || (a == 100 && (64..128).contains(&b)) // shared, RFC 6598
                || (a == 192 && b == 0 && c == 0) // protocol assignments
                || (a == 192 && b == 88 && c == 99) // 6to4 relays
                || (a == 198 && (18..20).contains(&b)); // benchmarking
            !special
        }
        IpAddr::V6(v6) => {
            let [a, b, ..] = v6.segments();
            let global = a & 0xe000 == 0x2000; // 2000::/3, all that is given out
            let special = (a == 0x2001 && (b < 0x0200 || b == 0xdb8)) // protocol assignments and Teredo; documentation
                || (a == 0x3fff && b < 0x1000); // documentation
            global && !special
        }
    }
}

/// The IPv4 address that an IPv6 address carries (mapped, compatible, NAT64 or 6to4), else the address itself.
fn plain_address(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address, // `::` and `::1` are themselves
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        _ => address,
    }
}

pub(crate) fn scheme_of(scheme: &str) -> Option<String> {
    let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    valid.then(|| scheme.to_ascii_lowercase())
}

/// Only digits: a number type would also take `+443`.
pub(crate) fn port_of(port: &str) -> Option<u16> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    port.parse().ok().filter(|port| digits && *port != 0)
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        "ssh" => Some(22),
        _ => None,
    }
}

fn bad(what: &str, problem: &str) -> Error {
    Error::invalid(format!("endpoint {what:?}"), problem)
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(v4)) => write!(f, "{v4}"),
            Self::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

impl TryFrom<String> for Endpoint {
    type Error = Error;

    fn try_from(url: String) -> Result<Self> {
        url.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_has_one_spelling() {
        for (given, expected) in [
            ("https://example.com", "https://example.com:443"),
            ("HTTPS://EXAMPLE.com.:443/a:b@c", "https://example.com:443"),
            ("http://example.com:8080?q=@", "http://example.com:8080"),
            ("http://127.0.0.1", "http://127.0.0.1:80"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://[0:0::1]", "http://[::1]:80"),
            ("http://[::ffff:10.0.0.1]", "http://10.0.0.1:80"),
            ("http://[::ffff:a9fe:a9fe]", "http://169.254.169.254:80"),
            ("http://[::7f00:1]", "http://127.0.0.1:80"),
            ("http://[64:ff9b::7f00:1]", "http://127.0.0.1:80"),
            ("http://[2002:7f00:1::]", "http://127.0.0.1:80"),
            ("nats://localhost:4222", "nats://localhost:4222"),
            ("https://xn--bcher-kva.example:0443", "https://xn--bcher-kva.example:443"),
        ] {
            let endpoint: Endpoint = given.parse().unwrap();
            assert_eq!(endpoint.to_string(), expected, "{given}");
            assert_eq!(expected.parse::<Endpoint>().unwrap(), endpoint, "{given}: its own text reads back");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for host in [
            "",
            ".",
            "..",
            "example..com",
            ".example.com",
            "example.com..",
            "a b",
            "exa\tmple.com",
            "ex%61mple.com",
            "user@example.com",
            "user:pw@example.com",
            "example.com\\@evil.com",
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "127.1",
            "127.0.0.1.",
            "127.0.0.01",
            "1.2.3.4.5",
            "256.0.0.1",
            "1.2.3",
            "0xa",
            "example.0x1",
            "example.1",
            "[::1",
            "::1",
            "[fe80::1%25eth0]",
            "[::1%lo]",
            "[127.0.0.1]",
            "①②⑦.0.0.1",
            "１２７.0.0.1",
            "bücher.example",
            "example。com",
            "-a.com",
            "a-.com",
            "*",
            "*.com",
        ] {
            let url = format!("http://{host}");
            assert!(url.parse::<Endpoint>().is_err(), "{url} became {:?}", url.parse::<Endpoint>());
            assert!(Endpoint::new("http", host, 80).is_err(), "{host}");
        }
        assert!("a".repeat(64).parse::<Host>().is_err());
        assert!(vec!["abc"; 64].join(".").parse::<Host>().is_err());
    }

    #[test]
    fn what_is_no_url_of_an_endpoint_is_refused() {
        for url in [
            "example.com",
            "example.com:443",
            "//example.com",
            "://example.com",
            "1http://example.com",
            "http:example.com",
            "http://example.com:0",
            "http://example.com:65536",
            "http://example.com:+80",
            "http://example.com:8o",
            "unknown://example.com",
            " http://example.com",
            "http://example.com\n",
        ] {
            assert!(url.parse::<Endpoint>().is_err(), "{url}");
        }
    }

    #[test]
    fn special_addresses_are_not_public() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:a00:1::",
            "2001::1",
            "2001:db8::1",
            "::a00:1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in ["93.184.216.34", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}
