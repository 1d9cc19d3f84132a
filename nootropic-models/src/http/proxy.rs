//! The proxy that the environment names.

use nootropic_core::Endpoint;
use ureq::{Proxy, ProxyProtocol};

use crate::pull::PullError;

/// Variables that name a proxy, in the order in which they count.
const VARIABLES: [&str; 6] = ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

/// A proxy, and where it is.
pub(super) struct Through {
    proxy: Proxy,
    endpoint: Endpoint,
}

impl Through {
    pub(super) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether a request goes through it: not to this machine, nor to what `NO_PROXY` names.
    pub(super) fn serves(&self, url: &str, endpoint: &Endpoint) -> bool {
        let named = url.parse().is_ok_and(|uri| self.proxy.is_no_proxy(&uri));
        !named && !endpoint.host().is_loopback()
    }
}

/// Where the proxy is that the environment names.
pub(crate) fn proxy_endpoint() -> Result<Option<Endpoint>, PullError> {
    Ok(from_environment()?.map(|through| through.endpoint))
}

pub(super) fn from_environment() -> Result<Option<Through>, PullError> {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let Some(variable) = VARIABLES.into_iter().find(set) else { return Ok(None) };
    // A proxy that is ignored would be a connection that nobody expects. Its text may hold a password: it is not shown.
    let bad = |problem: &str| PullError::Proxy { variable, problem: problem.to_owned() };
    let proxy = Proxy::try_from_env().ok_or_else(|| bad("it is no URL of a proxy"))?;
    let scheme = match proxy.protocol() {
        ProxyProtocol::Http => "http",
        ProxyProtocol::Https => "https",
        _ => return Err(bad("only proxies of `http://` and `https://` are used")),
    };
    let endpoint = Endpoint::new(scheme, proxy.host(), proxy.port()).map_err(|error| bad(&error.to_string()))?;
    Ok(Some(Through { proxy, endpoint }))
}
