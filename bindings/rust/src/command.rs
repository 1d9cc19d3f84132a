//! Commands: what every face offers, each described once.

use nootropic_core::{Capability, CapabilityKind, EffectKind, Error as CoreError, Registry};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::answering::Ask;
use crate::asking::{Map, MapAnswer, Pack, PackAnswer, Symbols};
use crate::bench::ModelsBench;
use crate::chatting::Chat;
use crate::completing::Complete;
use crate::distilling::ModelsDistill;
use crate::doctor::{Doctor, DoctorReport};
use crate::embedding::Embed;
use crate::indexing::{Index, IndexReport};
use crate::model_files::{ModelsInfo, ModelsList, ModelsQuantize};
use crate::probing::ModelsProbe;
#[cfg(feature = "pull")]
use crate::pulling::ModelsPull;
use crate::searching::{Search, SearchAnswer};
use crate::settings::{ConfigReport, ConfigShow};
use crate::suggest::did_you_mean;
use crate::upkeep::{
    Backup, BackupReport, Compact, CompactReport, Restore, RestoreReport, Status, StatusReport, Verify, VerifyReport,
};
use crate::watching::{Watch, WatchReport};
use crate::{Call, Error, Result, Session};
use nootropic_context::graph::SymbolAnswer;

/// A command is its own input: a plain struct whose doc comments are the help.
pub trait Command: DeserializeOwned + JsonSchema {
    /// What it gives.
    type Output: Serialize + DeserializeOwned + JsonSchema;
    /// Its name, e.g. `config.show`.
    const NAME: &'static str;
    /// What it does, in one line without a full stop.
    const SUMMARY: &'static str;
    /// What it may do to the outside world.
    const EFFECTS: &'static [EffectKind];

    /// Says more about it: details, requirements, examples.
    fn describe(capability: Capability) -> Capability {
        capability
    }

    /// Runs it.
    ///
    /// # Errors
    /// As each command says.
    fn run(self, session: &Session, call: &Call) -> Result<Self::Output>;
}

/// A command among others.
struct Listed {
    name: &'static str,
    describe: fn() -> Capability,
    invoke: fn(Value, &Session, &Call) -> Result<Value>,
}

const fn listed<C: Command>() -> Listed {
    Listed { name: C::NAME, describe: capability::<C>, invoke: invoke_as::<C> }
}

const COMMANDS: &[Listed] = &[
    listed::<Index>(),
    listed::<Search>(),
    listed::<Ask>(),
    listed::<Map>(),
    listed::<Pack>(),
    listed::<Symbols>(),
    listed::<Watch>(),
    listed::<Status>(),
    listed::<Verify>(),
    listed::<Backup>(),
    listed::<Restore>(),
    listed::<Compact>(),
    listed::<Doctor>(),
    listed::<ModelsList>(),
    listed::<ModelsInfo>(),
    #[cfg(feature = "pull")]
    listed::<ModelsPull>(),
    listed::<ModelsQuantize>(),
    listed::<ModelsDistill>(),
    listed::<ModelsProbe>(),
    listed::<ModelsBench>(),
    listed::<Chat>(),
    listed::<Complete>(),
    listed::<Embed>(),
    listed::<ConfigShow>(),
];

/// What a command is, takes and gives.
pub fn capability<C: Command>() -> Capability {
    let capability = Capability::new::<C, C::Output>(CapabilityKind::Command, C::NAME, C::SUMMARY);
    C::describe(capability.with_version(env!("CARGO_PKG_VERSION")).with_effects(C::EFFECTS.iter().copied()))
}

/// Everything that is built in, described: the commands of the facade, and the parts behind them.
///
/// # Errors
/// None that is known: a test describes them all.
pub fn registry() -> Result<Registry> {
    let mut registry = Registry::new();
    for command in COMMANDS {
        registry.add((command.describe)())?;
    }
    registry.add(nootropic_context::store::LmdbStore::capability())?;
    Ok(registry)
}

/// Runs a command by name: JSON in, JSON out.
///
/// # Errors
/// An error of kind `NotFound` for a name that is none, of kind `InvalidInput` for input that does not fit; as the command.
pub fn invoke(name: &str, input: Value, session: &Session, call: &Call) -> Result<Value> {
    let found = COMMANDS.iter().find(|command| command.name == name);
    let command = found.ok_or_else(|| Error::NotFound {
        what: "command",
        name: name.to_owned(),
        hint: did_you_mean(name, COMMANDS.iter().map(|command| command.name)),
    })?;
    (command.invoke)(input, session, call)
}

fn invoke_as<C: Command>(input: Value, session: &Session, call: &Call) -> Result<Value> {
    let command: C = serde_json::from_value(input).map_err(|error| CoreError::invalid(C::NAME, error.to_string()))?;
    let output = command.run(session, call)?;
    serde_json::to_value(output)
        .map_err(|error| Error::Core(CoreError::failed(C::NAME, nootropic_core::ErrorKind::Internal, error)))
}

/// What most commands need.
const AN_INDEX: &str = "an index";

impl Command for Index {
    type Output = IndexReport;
    const NAME: &'static str = "index";
    const SUMMARY: &'static str = "Bring the index into step with the files";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read, EffectKind::Write];

    fn describe(capability: Capability) -> Capability {
        capability
            .with_details(
                "Reads what is new or changed and takes out what is gone. It can be interrupted at any time and goes on \
                 where it was. `.gitignore`, `.ignore` and `.nootropicignore` count.",
            )
            .with_example("Index the repository we stand in", json!({}))
            .with_example("Index another one", json!({ "dir": "../service" }))
    }

    fn run(self, session: &Session, call: &Call) -> Result<IndexReport> {
        session.repository_at(self.dir.as_deref())?.index(&self, call)
    }
}

impl Command for Search {
    type Output = SearchAnswer;
    const NAME: &'static str = "search";
    const SUMMARY: &'static str = "Find the passages that answer a question";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read, EffectKind::Write];

    fn describe(capability: Capability) -> Capability {
        capability
            .with_details(
                "Indexes the repository first if that was never done, and reads what changed since. The question may be a \
                 sentence, words, or a name such as `JoinSet`; filters in it narrow it down: `path:src lang:rust \
                 symbol:Writer -path:tests`. Of more than 32 different words, the 32 that are rarest in the index are \
                 looked up.",
            )
            .with_example("Ask", json!({ "query": "where is the write transaction committed?" }))
            .with_example("Ask for a name, three hits", json!({ "query": "LmdbStore", "limit": 3 }))
            .with_example("Narrow it down", json!({ "query": "retry", "path": ["src"], "lang": ["rust"] }))
    }

    fn run(self, session: &Session, call: &Call) -> Result<SearchAnswer> {
        session.repository()?.search(&self, call)
    }
}

impl Command for Map {
    type Output = MapAnswer;
    const NAME: &'static str = "map";
    const SUMMARY: &'static str = "Draw a map of the repository: what matters most, in a budget of tokens";
    const EFFECTS: &'static [EffectKind] = Search::EFFECTS;

    fn describe(capability: Capability) -> Capability {
        capability
            .with_details("Ranks files and definitions by who uses them, and shows the best until the budget is spent.")
            .with_example("Draw it", json!({}))
            .with_example("Seen from one file", json!({ "focus": ["src/lib.rs"], "tokens": 1000 }))
    }

    fn run(self, session: &Session, call: &Call) -> Result<MapAnswer> {
        session.repository()?.map(&self, call)
    }
}

impl Command for Pack {
    type Output = PackAnswer;
    const NAME: &'static str = "pack";
    const SUMMARY: &'static str = "Pack the passages that answer a question into a budget of tokens, with citations";
    const EFFECTS: &'static [EffectKind] = Search::EFFECTS;

    fn describe(capability: Capability) -> Capability {
        capability
            .with_details("Finds, merges what touches, and leaves out what does not fit; says what and why.")
            .with_example("For a prompt", json!({ "query": "how are retries spaced?", "tokens": 4000 }))
    }

    fn run(self, session: &Session, call: &Call) -> Result<PackAnswer> {
        session.repository()?.pack(&self, call)
    }
}

impl Command for Symbols {
    type Output = SymbolAnswer;
    const NAME: &'static str = "symbols";
    const SUMMARY: &'static str = "Find definitions by name, and who uses them";
    const EFFECTS: &'static [EffectKind] = Search::EFFECTS;

    fn describe(capability: Capability) -> Capability {
        capability.with_example("Find definitions", json!({ "name": "Store" }))
    }

    fn run(self, session: &Session, call: &Call) -> Result<SymbolAnswer> {
        session.repository()?.symbols(&self, call)
    }
}

impl Command for Watch {
    type Output = WatchReport;
    const NAME: &'static str = "watch";
    const SUMMARY: &'static str = "Keep the index in step while files change";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read, EffectKind::Write];

    fn describe(capability: Capability) -> Capability {
        capability
            .with_details("Runs until it is interrupted, which is no failure. With `--json` it prints one object a line for each update.")
    }

    fn run(self, session: &Session, call: &Call) -> Result<WatchReport> {
        session.repository()?.watch(&self, call, &mut |_| {})
    }
}

impl Command for Status {
    type Output = StatusReport;
    const NAME: &'static str = "status";
    const SUMMARY: &'static str = "Say what is indexed, and where it is kept";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read];

    fn run(self, session: &Session, call: &Call) -> Result<StatusReport> {
        session.repository()?.status(&self, call)
    }
}

impl Command for Verify {
    type Output = VerifyReport;
    const NAME: &'static str = "verify";
    const SUMMARY: &'static str = "Check every page and record of the store, and that the records agree";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read];

    fn describe(capability: Capability) -> Capability {
        capability
            .with_details("Reads the file without mapping it: whatever its bytes, this ends with a report. Then, unless `--quick` is given, \
                 checks that files, passages and postings agree.")
            .with_requirement(AN_INDEX)
    }

    fn run(self, session: &Session, call: &Call) -> Result<VerifyReport> {
        session.repository()?.verify(&self, call)
    }
}

impl Command for Backup {
    type Output = BackupReport;
    const NAME: &'static str = "backup";
    const SUMMARY: &'static str = "Copy a consistent snapshot of the store to a new folder";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read, EffectKind::Write];

    fn describe(capability: Capability) -> Capability {
        capability.with_details("Others may go on reading and writing.").with_requirement(AN_INDEX)
    }

    fn run(self, session: &Session, call: &Call) -> Result<BackupReport> {
        session.repository()?.backup(&self, call)
    }
}

impl Command for Restore {
    type Output = RestoreReport;
    const NAME: &'static str = "restore";
    const SUMMARY: &'static str = "Put a backup in the place of the store";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read, EffectKind::Write];

    fn describe(capability: Capability) -> Capability {
        capability.with_details("The backup is checked whole before anything is replaced.")
    }

    fn run(self, session: &Session, call: &Call) -> Result<RestoreReport> {
        session.repository()?.restore(&self, call)
    }
}

impl Command for Compact {
    type Output = CompactReport;
    const NAME: &'static str = "compact";
    const SUMMARY: &'static str = "Write the store anew without unused room";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read, EffectKind::Write];

    fn describe(capability: Capability) -> Capability {
        capability.with_requirement(AN_INDEX)
    }

    fn run(self, session: &Session, call: &Call) -> Result<CompactReport> {
        session.repository()?.compact(&self, call)
    }
}

impl Command for Doctor {
    type Output = DoctorReport;
    const NAME: &'static str = "doctor";
    const SUMMARY: &'static str = "Check everything that can go wrong, and say what to do";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read];

    fn run(self, session: &Session, call: &Call) -> Result<DoctorReport> {
        Ok(session.repository()?.doctor(&self, call))
    }
}

impl Command for ConfigShow {
    type Output = ConfigReport;
    const NAME: &'static str = "config.show";
    const SUMMARY: &'static str = "Show every setting and where its value came from";
    const EFFECTS: &'static [EffectKind] = &[EffectKind::Read];

    fn describe(capability: Capability) -> Capability {
        capability.with_details(
            "Flags count more than the environment, that more than the repository's `.nootropic.toml` or `nootropic.toml`, \
             that more than the user's file.",
        )
    }

    fn run(self, session: &Session, _: &Call) -> Result<ConfigReport> {
        session.repository()?.config_report(&self)
    }
}
