//! Fetching models, when asked to.

use std::sync::Arc;

use nootropic_core::{Capability, EffectKind, Error as CoreError, Unit};
use nootropic_models::{Hub, HubModel, Patience, Pull, PullError, PullReport};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::command::Command;
use crate::config::Config;
use crate::{Call, Error, Result, Session, model_files, network, places};

/// Asks for a model to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelsPull {
    /// What to fetch: `OWNER/NAME`, with `:Q8_0` for how it is quantized or `:FILE` for one of its files.
    #[schemars(extend("x-positional" = 1, "x-value-name" = "MODEL"))]
    pub model: String,
    /// A branch, tag or commit, if not `main`.
    #[serde(default)]
    #[schemars(extend("x-value-name" = "REVISION"))]
    pub revision: Option<String>,
}

impl Command for ModelsPull {
    type Output = PullReport;
    const NAME: &'static str = "models.pull";
    const SUMMARY: &'static str = "Fetch a model from a hub";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read, EffectKind::Write, EffectKind::Connect, EffectKind::Env];

    fn describe(capability: Capability) -> Capability {
        capability
            .with_details(
                "Typing this command allows connecting to the hub, for this run; other hosts are connected to only if `network.allow` names \
                 them, and none at all with `network.sealed`. Without a choice it takes Q4_K_M, else the next usual quantization, else the \
                 safetensors. Split models are fetched whole. What is on this machine already, also in the folders of other programs, is \
                 not fetched. Checksums are checked. It can be interrupted at any time and goes on where it was. `HF_TOKEN` is shown to \
                 the hub alone.",
            )
            .with_example("The usual quantization", json!({ "model": "Qwen/Qwen2.5-0.5B-Instruct-GGUF" }))
            .with_example("Another one", json!({ "model": "Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q8_0" }))
            .with_example("The safetensors", json!({ "model": "Qwen/Qwen2.5-0.5B-Instruct" }))
    }

    fn run(self, session: &Session, call: &Call) -> Result<PullReport> {
        let config = session.repository()?.config();
        let failed = |error| failed(error, config);
        let model: HubModel = self.model.parse().map_err(failed)?;
        let folder = places::models_dir().ok_or_else(|| Error::Setting {
            place: "the folder of models".into(),
            problem: "the user's data folder is not known".into(),
            hint: Some("set HOME, or name a folder with the variable `NOOTROPIC_MODELS`".into()),
        })?;
        let url = hub_url(config);
        let asked_for = if session.is_typed() { Hub::hosts(&url).map_err(failed)? } else { Vec::new() };
        let broker = network::broker(&config.network, asked_for);
        let token = std::env::var("HF_TOKEN").ok();
        let hub = Hub::new(&url, token, broker, Arc::clone(&call.events), Patience::default()).map_err(failed)?;
        let library = model_files::library();
        let revision = self.revision.as_deref().unwrap_or("main");
        call.started("pull", Unit::Bytes);
        let pulled =
            hub.pull(&Pull { model, revision, folder: &folder, library: &library }, &call.cancel).map_err(failed);
        call.finished("pull", &pulled);
        Ok(pulled?)
    }
}

/// The hub that is set, else the one that other programs of this user fetch from.
fn hub_url(config: &Config) -> String {
    let variable = || std::env::var("HF_ENDPOINT").ok().filter(|url| !url.is_empty());
    config.models.hub.clone().or_else(variable).unwrap_or_else(|| Hub::USUAL.to_owned())
}

/// The error, with how to opt in if a connection was refused.
fn failed(error: PullError, config: &Config) -> CoreError {
    let opt_in = match &error {
        PullError::Refused { endpoint, .. } => Some(network::opt_in(&config.network, endpoint)),
        _ => None,
    };
    match (error.into(), opt_in) {
        (CoreError::Failed { op, kind, source, .. }, Some(hint)) => {
            CoreError::Failed { op, kind, hint: Some(hint), source }
        }
        (error, _) => error,
    }
}

#[cfg(test)]
mod tests {
    use nootropic_core::ErrorKind;

    use super::*;

    #[test]
    fn only_a_command_that_was_typed_opts_in() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        // Nobody listens there: whoever connects is told so.
        let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let session = |more: &[(&str, &str)]| {
            let hub = ("models.hub".to_owned(), format!("http://{unused}"));
            let more = more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            Session::new(Some(dir.path().to_owned()), std::iter::once(hub).chain(more).collect())
        };
        let pull = |session: Session| {
            let pull = ModelsPull { model: "owner/name".into(), revision: None };
            pull.run(&session, &Call::default()).unwrap_err()
        };
        let refused = pull(session(&[]));
        assert_eq!(refused.kind(), ErrorKind::Denied, "{refused:?}");
        assert!(refused.hint().unwrap().contains("network.allow"));
        assert_eq!(pull(session(&[]).with_typed_commands()).kind(), ErrorKind::Unavailable);
        assert_eq!(pull(session(&[("network.allow", "127.0.0.1")])).kind(), ErrorKind::Unavailable);
        let sealed = [("network.allow", "127.0.0.1"), ("network.sealed", "true")];
        assert_eq!(pull(session(&sealed).with_typed_commands()).kind(), ErrorKind::Denied);
    }
}
