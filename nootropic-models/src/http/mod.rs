//! The one place that connects: an HTTP client that asks the egress broker before every connection.

mod exchange;
mod proxy;
mod resolver;
#[cfg(test)]
mod tests;
mod url;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nootropic_core::{CancelToken, Effect, EgressBroker, Endpoint, Event, EventSink, Verdict};
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;

pub(crate) use exchange::Response;
pub(crate) use proxy::proxy_endpoint;
pub(crate) use url::encode;

use crate::pull::PullError;
use proxy::Through;

/// How many redirects are followed; hubs need one or two.
const REDIRECTS: usize = 5;
/// Longest head of an answer, in bytes.
const HEAD_BYTES: usize = 64 << 10;

/// How long to wait for servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How often to try again after a failure that may pass, without any progress in between.
    pub retries: u32,
    /// How long to wait before the first of these; twice as long before each further one.
    pub first_wait: Duration,
    /// How long a connection may take, or stay silent.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { retries: 5, first_wait: Duration::from_millis(500), silence: Duration::from_secs(30) }
    }
}

/// Gets what a URL names, where the broker allows it.
pub(crate) struct HttpClient {
    agent: Agent,
    broker: Arc<dyn EgressBroker>,
    events: Arc<dyn EventSink>,
    through: Option<Through>,
    connected: Mutex<Vec<Endpoint>>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("broker", &self.broker).finish_non_exhaustive()
    }
}

/// What to send along with a request.
#[derive(Debug, Default)]
pub(crate) struct Headers<'a> {
    pub(crate) plain: Vec<(&'static str, &'a str)>,
    /// Sent to this endpoint alone, whatever it redirects to: a secret.
    pub(crate) bearer: Option<(&'a Endpoint, &'a str)>,
}

impl HttpClient {
    /// A client that connects where `broker` allows, and tells `events` of every decision. It goes through the proxy that the
    /// variables `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` name, if the broker allows that one too.
    pub(crate) fn new(
        broker: Arc<dyn EgressBroker>,
        events: Arc<dyn EventSink>,
        patience: Patience,
    ) -> Result<Self, PullError> {
        let through = proxy::from_environment()?;
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(through.as_ref().map(|through| through.proxy().clone()))
            .http_status_as_error(false)
            .max_redirects(0) // each is asked about
            .max_response_header_size(HEAD_BYTES)
            .user_agent(concat!("nootropic/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(patience.silence))
            .timeout_connect(Some(patience.silence))
            .timeout_recv_response(Some(patience.silence))
            .timeout_per_read(Some(patience.silence))
            .build();
        let resolver = resolver::Asking { broker: Arc::clone(&broker) };
        Ok(Self {
            agent: Agent::with_parts(config, DefaultConnector::default(), resolver),
            broker,
            events,
            through,
            connected: Mutex::default(),
        })
    }

    /// Where it was allowed to connect so far.
    pub(crate) fn connected(&self) -> Vec<Endpoint> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What `url` names, after its redirects, whatever the status. Once `cancel` is cancelled, the client connects no more.
    pub(crate) fn get(&self, url: &str, headers: &Headers<'_>, cancel: &CancelToken) -> Result<Response, PullError> {
        let mut url = url.to_owned();
        for _ in 0..=REDIRECTS {
            let endpoint = endpoint_of(&url)?;
            self.ask(&endpoint)?;
            let proxy = self.through.as_ref().filter(|through| through.serves(&url, &endpoint));
            if let Some(through) = proxy {
                self.ask(through.endpoint())?;
            }
            let mut request = ureq::http::Request::get(&url);
            for (name, value) in &headers.plain {
                request = request.header(*name, *value);
            }
            if let Some((to, secret)) = headers.bearer
                && *to == endpoint
            {
                request = request.header("authorization", format!("Bearer {secret}"));
            }
            let bad = |error: ureq::http::Error| PullError::bad_answer(&endpoint, format!("no request: {error}"));
            let mut request = request.body(()).map_err(bad)?;
            if self.through.is_some() && proxy.is_none() {
                request = self.agent.configure_request(request).proxy(None).build();
            }
            let response = exchange::start(&self.agent, request, endpoint.clone(), cancel)?;
            match response.redirect() {
                None => return Ok(response),
                Some(location) => {
                    url = url::join(&url, location)
                        .ok_or_else(|| PullError::bad_answer(&endpoint, "it redirects to what is no URL".into()))?;
                }
            }
        }
        Err(PullError::bad_answer(&endpoint_of(&url)?, format!("more than {REDIRECTS} redirects lead there")))
    }

    /// Asks the broker, and tells of its decision if it is the first on this endpoint.
    fn ask(&self, endpoint: &Endpoint) -> Result<(), PullError> {
        let decided = self.broker.decide(endpoint);
        let mut connected = self.connected.lock().unwrap_or_else(PoisonError::into_inner);
        let (verdict, reason) = match &decided {
            Ok(()) if connected.contains(endpoint) => return Ok(()),
            Ok(()) => {
                connected.push(endpoint.clone());
                (Verdict::Allow, "the egress broker allows it".to_owned())
            }
            Err(error) => (Verdict::Deny, error.to_string()),
        };
        self.events.emit(&Event::Effect { effect: Effect::Connect { endpoint: endpoint.clone() }, verdict, reason });
        decided.map_err(|source| PullError::Refused { endpoint: endpoint.clone(), source: Box::new(source) })
    }
}

/// Where a URL leads, if it may be spoken to: in the clear only on this machine.
pub(crate) fn endpoint_of(url: &str) -> Result<Endpoint, PullError> {
    let bad = |problem: String| PullError::Url { url: crate::error::printable(url), problem };
    let endpoint: Endpoint = url.parse().map_err(|error: nootropic_core::Error| bad(error.to_string()))?;
    match endpoint.scheme() {
        "https" => Ok(endpoint),
        "http" if endpoint.host().is_loopback() => Ok(endpoint),
        "http" => Err(bad("only `https://` is spoken with other machines".into())),
        _ => Err(bad("a URL begins with `https://`".into())),
    }
}
