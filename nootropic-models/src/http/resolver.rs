//! Names are resolved once, and only addresses that the broker allows are connected to.

use std::io;
use std::sync::Arc;

use nootropic_core::{EgressBroker, Endpoint};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Resolves as the operating system does, then asks.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) broker: Arc<dyn EgressBroker>,
}

impl Resolver for Asking {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        // What the client itself reads in the URL counts, not what we read in it before.
        let endpoint = endpoint(uri).map_err(refused)?;
        self.broker.decide(&endpoint).map_err(refused)?;
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        let mut allowed = self.empty();
        let mut denied = None;
        for address in found.iter() {
            match self.broker.decide_address(&endpoint, address.ip()) {
                Ok(()) => allowed.push(*address),
                Err(error) => denied = Some(error),
            }
        }
        match denied {
            Some(error) if allowed.is_empty() => Err(refused(error)),
            None if allowed.is_empty() => Err(ureq::Error::HostNotFound),
            _ => Ok(allowed),
        }
    }
}

fn endpoint(uri: &Uri) -> nootropic_core::Result<Endpoint> {
    let scheme = uri.scheme_str().unwrap_or_default();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Endpoint::new(scheme, uri.host().unwrap_or_default(), port)
}

/// The broker's word, carried through the client; [`denial`] takes it out again.
fn refused(error: nootropic_core::Error) -> ureq::Error {
    ureq::Error::Io(io::Error::new(io::ErrorKind::PermissionDenied, error))
}

/// The broker's word, if that is why the client failed.
pub(super) fn denial(error: ureq::Error) -> Result<nootropic_core::Error, ureq::Error> {
    match error {
        ureq::Error::Io(error) => match error.downcast::<nootropic_core::Error>() {
            Ok(denied) => Ok(denied),
            Err(error) => Err(ureq::Error::Io(error)),
        },
        error => Err(error),
    }
}
