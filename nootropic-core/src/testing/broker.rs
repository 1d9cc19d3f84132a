//! What every [`EgressBroker`] must do.

use std::net::IpAddr;

use crate::{EgressBroker, Endpoint, ErrorKind, Result};

/// Checks an [`EgressBroker`] against its contract.
///
/// `allowed` are URLs of public hosts that it has been told to allow, none for a broker that refuses everything. It must not
/// have been told to allow anything under `refused.invalid`, and no private addresses.
///
/// # Panics
/// With the first clause that does not hold.
pub fn broker_suite(broker: &dyn EgressBroker, allowed: &[&str]) {
    for url in REFUSED {
        let endpoint = endpoint(url);
        let decision = broker.decide(&endpoint);
        check("what is not expressly allowed is refused", denied(&decision), || format!("{url}: {decision:?}"));
        for address in [PUBLIC, "127.0.0.1"] {
            let decision = broker.decide_address(&endpoint, ip(address));
            let clause = "an address is allowed only for an endpoint that is allowed";
            check(clause, denied(&decision), || format!("{address} of {url}: {decision:?}"));
        }
    }
    for url in allowed {
        let endpoint = endpoint(url);
        let decision = broker.decide(&endpoint);
        check("what is allowed is allowed", decision.is_ok(), || format!("{url}: {decision:?}"));
        let again = broker.decide(&endpoint);
        check("the same question has the same answer", again.is_ok(), || format!("{url}: {again:?}"));
        let decision = broker.decide_address(&endpoint, ip(PUBLIC));
        check("an allowed name may resolve to a public address", decision.is_ok(), || format!("{url}: {decision:?}"));
        for address in PRIVATE {
            let decision = broker.decide_address(&endpoint, ip(address));
            let clause = "a public name that resolves to a private address is refused";
            check(clause, denied(&decision), || format!("{address} of {url}: {decision:?}"));
        }
    }
}

const PUBLIC: &str = "93.184.216.34";

const REFUSED: [&str; 8] = [
    "https://refused.invalid",
    "http://a.refused.invalid:8080",
    "http://127.0.0.1:6379",
    "http://[::1]",
    "http://169.254.169.254",
    "http://[::ffff:169.254.169.254]",
    "http://10.0.0.1",
    "http://localhost",
];

const PRIVATE: [&str; 7] =
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1"];

#[track_caller]
fn check(clause: &str, holds: bool, saw: impl FnOnce() -> String) {
    super::check("broker", clause, holds, saw);
}

fn denied(decision: &Result<()>) -> bool {
    decision.as_ref().is_err_and(|error| error.kind() == ErrorKind::Denied)
}

#[track_caller]
fn endpoint(url: &str) -> Endpoint {
    url.parse().unwrap_or_else(|error| super::broken("broker", "the suite is given URLs", &format!("{url}: {error}")))
}

#[track_caller]
fn ip(address: &str) -> IpAddr {
    address.parse().unwrap_or_else(|error| super::broken("broker", "the suite is given addresses", &format!("{error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::failure_of;
    use crate::{AllowListBroker, Error, SealedBroker};

    fn list() -> AllowListBroker {
        AllowListBroker::new(["https://*.example.com".parse().unwrap()])
    }

    #[test]
    fn ours_keep_the_contract() {
        broker_suite(&SealedBroker, &[]);
        broker_suite(&AllowListBroker::default(), &[]);
        broker_suite(&list(), &["https://api.example.com"]);
    }

    #[derive(Debug)]
    struct Flawed(fn(&Endpoint) -> Result<()>, fn(&Endpoint, IpAddr) -> Result<()>);

    impl EgressBroker for Flawed {
        fn decide(&self, endpoint: &Endpoint) -> Result<()> {
            (self.0)(endpoint)
        }

        fn decide_address(&self, endpoint: &Endpoint, address: IpAddr) -> Result<()> {
            (self.1)(endpoint, address)
        }
    }

    #[test]
    fn broken_brokers_are_noticed() {
        for (broker, clause) in [
            (Flawed(|_| Ok(()), |_, _| Ok(())), "not expressly allowed"),
            (Flawed(|_| Err(Error::Cancelled), |_, _| Ok(())), "not expressly allowed"),
            (Flawed(|e| list().decide(e), |_, _| Ok(())), "only for an endpoint"),
            (Flawed(|e| list().decide(e), |e, _| list().decide(e)), "resolves to a private address"),
            (Flawed(|e| SealedBroker.decide(e), |e, _| SealedBroker.decide(e)), "what is allowed is allowed"),
        ] {
            let failure = failure_of(|| broker_suite(&broker, &["https://api.example.com"]));
            assert!(failure.contains(clause), "not {clause:?}: {failure}");
        }
    }
}
