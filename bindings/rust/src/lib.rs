//! Find anything in a repository, from one call: this crate wires the contracts, the store, the index and the search.
//!
//! ```
//! use nootropic::{Call, Nootropic, Search};
//!
//! # let dir = tempfile::tempdir()?;
//! # std::fs::write(dir.path().join("retry.py"), "def backoff(attempt):\n    return 2 ** attempt\n")?;
//! # let dir = dir.path();
//! let repository = Nootropic::open(dir)?;
//! for hit in repository.search(&Search::of("how long is the backoff?"), &Call::default())?.hits {
//!     println!("{}:{} {}", hit.path, hit.start_line, hit.snippet);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Every [`Command`] is a plain struct that describes itself: the command line, documents and protocols are made from the
//! same [`registry`].

mod answering;
mod asking;
mod bench;
mod call;
mod cancellable;
mod chatting;
mod chosen;
mod citing;
mod command;
mod completing;
pub mod config;
mod discover;
mod distilling;
mod doctor;
mod embedders;
mod embedding;
mod error;
mod generating;
mod highlight;
mod indexing;
mod layout;
mod local_models;
mod memory;
mod model_files;
#[cfg(feature = "pull")]
mod network;
mod nootropic;
pub mod places;
mod probing;
#[cfg(feature = "pull")]
mod pulling;
mod reranking;
mod scope;
mod searching;
mod semantic;
mod session;
mod settings;
mod suggest;
mod upkeep;
mod waiting;
mod watching;

pub use answering::{Ask, AskAnswer, AskSource};
pub use asking::{Map, MapAnswer, Pack, PackAnswer, Symbols};
pub use bench::{BenchPhase, BenchRow, BenchStart, Limits, ModelsBench};
pub use call::Call;
pub use chatting::{Chat, Conversation};
pub use command::{Command, capability, invoke, registry};
pub use completing::Complete;
pub use config::Config;
pub use discover::{FoundBy, discover};
pub use distilling::{DistillReport, FitReport, ModelsDistill};
pub use doctor::{Check, CheckState, Doctor, DoctorReport};
pub use embedding::{Embed, Embedded};
pub use error::{Error, Result};
pub use generating::Generated;
pub use highlight::Highlighter;
pub use indexing::{Index, IndexReport};
pub use layout::Layout;
pub use local_models::open_model;
pub use model_files::{ModelReport, ModelsInfo, ModelsList, ModelsQuantize, ModelsReport, QuantizeReport, TensorCount};
pub use nootropic::Nootropic;
pub use probing::{ModelProfile, ModelsProbe, Obedience};
#[cfg(feature = "pull")]
pub use pulling::ModelsPull;
pub use scope::Scope;
pub use searching::{Search, SearchAnswer, SearchHit, SignalShare};
pub use semantic::SemanticSearch;
pub use session::Session;
pub use settings::{ConfigReport, ConfigShow};
pub use suggest::nearest;
pub use upkeep::{
    Backup, BackupReport, Compact, CompactReport, Restore, RestoreReport, Status, StatusReport, Verify, VerifyReport,
};
pub use watching::{Watch, WatchReport};

pub use nootropic_context::graph::{
    HeaderLine, LeftOut, LeftOutReason, MapDefinition, MapFile, MapFolder, NameMatch, PackBlock, PackOrder, RepoMap,
    SymbolAnswer, SymbolHit, SymbolUses, UsePlace,
};
pub use nootropic_context::search::Engine;
pub use nootropic_context::store::VerifierCommand;
pub use nootropic_core::{
    Argument, CancelToken, Capability, CapabilityKind, EffectKind, Embedder, ErrorKind, Event, EventSink, ModelEvent,
    Registry, SinkFn, Store, StoreExt, SymbolKind, Unit, ValueKind,
};
pub use nootropic_models::{Device, EncoderPrecision, FoundModel, ModelSource};
#[cfg(feature = "pull")]
pub use nootropic_models::{HubChoice, PullReport, PullState, PulledFile};

/// The crates behind this one, for those who want their parts.
pub use {
    nootropic_agents as agents, nootropic_context as context, nootropic_core as core, nootropic_models as models,
};

/// An error and its causes on one line; a cause that the line before repeats is left out.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
