//! Which connections may be made.

use std::sync::Arc;

use nootropic_core::{AllowListBroker, EgressBroker, Endpoint, HostRule, SealedBroker};

use crate::config::NetworkSettings;

/// The broker that decides: nothing is allowed but what the settings name, and `asked_for`, which the user asked for by typing
/// a command.
pub(crate) fn broker(settings: &NetworkSettings, asked_for: Vec<HostRule>) -> Arc<dyn EgressBroker> {
    if settings.sealed {
        return Arc::new(SealedBroker);
    }
    Arc::new(AllowListBroker::new(settings.allow.iter().cloned().chain(asked_for)))
}

/// How to opt in to a connection that was refused.
pub(crate) fn opt_in(settings: &NetworkSettings, endpoint: &Endpoint) -> String {
    if settings.sealed {
        return "the setting `network.sealed` refuses every connection; `nootropic config show network` says where it was set".into();
    }
    let host = endpoint.host();
    format!(
        "if you trust that host, allow it for this run with `--set network.allow={host}`, or for every run with `allow = \"{host}\"` under \
         `[network]` in your configuration file; a host on a private network is written `{host} private`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decides(allow: &[&str], sealed: bool, asked_for: &[&str], url: &str) -> bool {
        let rules = |rules: &[&str]| rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let settings = NetworkSettings { allow: rules(allow), sealed };
        broker(&settings, rules(asked_for)).decide(&url.parse().unwrap()).is_ok()
    }

    #[test]
    fn nothing_is_connected_to_unless_somebody_opted_in() {
        let url = "https://hub.example";
        assert!(!decides(&[], false, &[], url));
        assert!(decides(&["hub.example"], false, &[], url));
        assert!(decides(&[], false, &[url], url));
        assert!(!decides(&["other.example"], false, &["https://third.example"], url));
        assert!(!decides(&["*", "hub.example"], true, &[url], url), "sealed is sealed");
    }
}
