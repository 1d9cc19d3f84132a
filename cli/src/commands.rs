//! Commands about the command itself.

use clap_complete::Shell as ClapShell;
use nootropic::{Call, Capability, CapabilityKind, Command, EffectKind, Error, Registry, Session, nearest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{args, reference};

/// Every command: those of the crate and those about the command itself.
pub(crate) fn registry() -> Result<Registry, Error> {
    let mut registry = nootropic::registry()?;
    for capability in [
        nootropic::capability::<ListCapabilities>(),
        nootropic::capability::<Guide>(),
        nootropic::capability::<Completions>(),
    ] {
        registry.add(capability)?;
    }
    Ok(registry)
}

/// Asks what there is.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ListCapabilities {
    /// Only those whose name begins so.
    #[schemars(extend("x-positional" = 1, "x-value-name" = "NAME"))]
    name: Option<String>,
    /// Only this kind.
    kind: Option<CapabilityKind>,
}

/// What there is.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Capabilities {
    /// Each with its schemas, sorted by name.
    pub(crate) capabilities: Vec<Capability>,
}

/// Asks for a short tour.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Guide {
    /// Print the reference of every command, setting and exit code instead, as Markdown.
    reference: bool,
}

/// A text to read.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct GuideText {
    /// Markdown.
    pub(crate) text: String,
}

/// Asks for a completion script.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Completions {
    /// For which shell.
    #[schemars(extend("x-positional" = 1, "x-value-name" = "SHELL"))]
    shell: Shell,
}

/// A shell.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Shell {
    /// For `~/.bashrc`: `source <(nootropic completions bash)`.
    Bash,
    /// For `~/.config/fish/completions/nootropic.fish`.
    Fish,
    /// For a folder of `$fpath`, as `_nootropic`.
    Zsh,
    /// For the profile of PowerShell.
    #[serde(rename = "powershell")]
    Power,
    /// For `rc.elv`.
    Elvish,
}

/// A completion script.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Script {
    /// To be read by the shell.
    pub(crate) script: String,
}

impl Command for ListCapabilities {
    type Output = Capabilities;
    const NAME: &'static str = "list-capabilities";
    const SUMMARY: &'static str = "List every capability: what it takes, gives and does";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read, EffectKind::Write];

    fn describe(capability: Capability) -> Capability {
        capability.with_details(
            "With `--json` each comes with the JSON schemas of its input and output. The same list is kept in \
             `.nootropic-cache/describe-registry.json`.",
        )
    }

    fn run(self, session: &Session, _: &Call) -> Result<Capabilities, Error> {
        // Opened so that the list can be kept in its cache; without a repository there is only the list.
        let _ = session.repository();
        let wanted = |capability: &&Capability| {
            self.name.as_deref().is_none_or(|name| capability.name.starts_with(name))
                && self.kind.is_none_or(|kind| capability.kind == kind)
        };
        let registry = registry()?;
        let names = || registry.iter().map(|capability| capability.name.as_str());
        match self.name {
            Some(name) if !names().any(|known| known.starts_with(&name)) => {
                let hint = nearest(&name, names()).map(|known| format!("did you mean `{known}`?"));
                let hint = hint.or_else(|| Some("`nootropic list-capabilities` lists them".into()));
                Err(Error::NotFound { what: "capability", name, hint })
            }
            _ => Ok(Capabilities { capabilities: registry.iter().filter(wanted).cloned().collect() }),
        }
    }
}

impl Command for Guide {
    type Output = GuideText;
    const NAME: &'static str = "guide";
    const SUMMARY: &'static str = "Take a short tour";
    const EFFECTS: &'static [EffectKind] = &[];

    fn run(self, _: &Session, _: &Call) -> Result<GuideText, Error> {
        let text =
            if self.reference { reference::markdown(&registry()?)? } else { include_str!("guide.md").to_owned() };
        Ok(GuideText { text })
    }
}

impl Command for Completions {
    type Output = Script;
    const NAME: &'static str = "completions";
    const SUMMARY: &'static str = "Print a completion script for a shell";
    const EFFECTS: &'static [EffectKind] = &[];

    fn describe(capability: Capability) -> Capability {
        capability
            .with_example("For bash, in ~/.bashrc: source <(nootropic completions bash)", json!({ "shell": "bash" }))
    }

    fn run(self, _: &Session, _: &Call) -> Result<Script, Error> {
        let shell = match self.shell {
            Shell::Bash => ClapShell::Bash,
            Shell::Fish => ClapShell::Fish,
            Shell::Zsh => ClapShell::Zsh,
            Shell::Power => ClapShell::PowerShell,
            Shell::Elvish => ClapShell::Elvish,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut args::build(&registry()?)?, "nootropic", &mut script);
        Ok(Script { script: String::from_utf8_lossy(&script).into_owned() })
    }
}
