//! An encoder, or a table of vectors, as an embedder.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use nootropic_core::{EmbedRole, Embedder, EmbedderInfo, Embedding, InlineEmbedder, Result as CoreResult};
use serde::Deserialize;

use super::built_in;
use super::encoder::{EncoderPrecision, TextEncoder};
use super::identity::{self, identity};
use super::table::{self, TokenTable};
use super::{EmbedderSettings, Pooling, Text};
use crate::tokens::{Special, TokenId, Tokenizer};
use crate::worker;
use crate::{Device, Error, ModelFile, OpenDevice, Result};

/// An encoder in a file (BERT, Nomic-BERT, ModernBERT), run on this machine; or a static embedder of Model2Vec, which looks up a vector for
/// each token and is hundreds of times as fast.
///
/// ```no_run
/// use nootropic_core::{EmbedRole, Embedder};
/// use nootropic_models::{Device, LocalEmbedder};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let embedder = LocalEmbedder::open("all-MiniLM-L6-v2", Device::Auto)?;
/// let vectors = embedder.embed(&["How do retries back off?"], EmbedRole::Query).await?;
/// assert_eq!(vectors[0].dim(), 384);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct LocalEmbedder {
    info: EmbedderInfo,
    settings: EmbedderSettings,
    shared: Arc<Shared>,
}

#[derive(Debug)]
enum Shared {
    Encoder { tokenizer: Tokenizer, encoder: TextEncoder },
    Table(TokenTable),
}

impl LocalEmbedder {
    /// The identity of the [built-in](Self::built_in) embedder.
    pub const BUILT_IN: &str = built_in::ID;

    /// Opens a folder of safetensors with its configuration and `tokenizer.json`, or a GGUF file, on a device. On the CPU it computes in
    /// eight bits.
    ///
    /// # Errors
    /// Those of [`Device::open`] and [`open_on`](Self::open_on).
    pub fn open(path: impl AsRef<Path>, device: Device) -> Result<Self> {
        Self::open_on(path, &device.open(None)?, EncoderPrecision::default())
    }

    /// The static embedder for code that comes with this crate: 256 dimensions, some microseconds a passage. `docs/models.md` says what
    /// it is made of, and how to make it anew.
    ///
    /// # Errors
    /// None that its files, which are part of the program, do not have.
    pub fn built_in() -> Result<Self> {
        let (table, id) = built_in::read()?;
        Ok(Self::of_table(table, id))
    }

    /// Opens a folder or file on a device that is open already.
    ///
    /// # Errors
    /// Those of [`ModelFile::open`] and [`Tokenizer::from_folder`]; [`Error::UnsupportedArchitecture`] for what is no encoder;
    /// [`Error::Invalid`] if the vocabulary has more tokens than the model; what is wrong with the configuration or the weights.
    pub fn open_on(path: impl AsRef<Path>, device: &OpenDevice, precision: EncoderPrecision) -> Result<Self> {
        Self::open_with(path, device, precision, |_| ())
    }

    /// The same, with settings that `change` sees first: models do not always say what they want.
    ///
    /// # Errors
    /// As [`open_on`](Self::open_on).
    pub fn open_with(
        path: impl AsRef<Path>,
        device: &OpenDevice,
        precision: EncoderPrecision,
        change: impl FnOnce(&mut EmbedderSettings),
    ) -> Result<Self> {
        let file = ModelFile::open(path)?;
        if let ModelFile::Safetensors(folder) = &file {
            let config: TableConfig = folder.config()?;
            if config.model_type.as_deref() == Some(table::MODEL_TYPE) {
                let table = TokenTable::read(folder, config.split_identifiers)?;
                let id = match folder.file_of("embeddings") {
                    Some(file) => identity::of_table(file, &table)?,
                    None => String::new(), // it was read
                };
                folder.let_go();
                return Ok(Self::of_table(table, id));
            }
        }
        let encoder = TextEncoder::load(&file, device, precision)?;
        let tokenizer = tokenizer_of(&file, &encoder)?;
        let shape = encoder.shape();
        let mut settings = EmbedderSettings::of(&file, shape)?;
        change(&mut settings);
        settings.max_tokens = settings.max_tokens.min(shape.context).max(1);
        let id = identity(&file, shape, &tokenizer, &settings, encoder.precision())?;
        let info = EmbedderInfo { id, dim: shape.columns, max_tokens: settings.max_tokens };
        file.let_go();
        Ok(Self { info, settings, shared: Arc::new(Shared::Encoder { tokenizer, encoder }) })
    }

    fn of_table(table: TokenTable, id: String) -> Self {
        let info = EmbedderInfo { id, dim: table.columns(), max_tokens: table::MAX_TOKENS };
        let settings = EmbedderSettings {
            pooling: Pooling::Mean,
            query_prefix: String::new(),
            document_prefix: String::new(),
            max_tokens: table::MAX_TOKENS,
        };
        Self { info, settings, shared: Arc::new(Shared::Table(table)) }
    }

    /// How texts become vectors.
    pub fn settings(&self) -> &EmbedderSettings {
        &self.settings
    }

    /// The vectors of texts, on this thread.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    pub fn embed_now(&self, texts: &[&str], role: EmbedRole) -> CoreResult<Vec<Embedding>> {
        self.shared.embed(&self.settings, texts, role, || false)
    }
}

/// The vocabulary of an encoder, which must not have more tokens than it.
pub(super) fn tokenizer_of(file: &ModelFile, encoder: &TextEncoder) -> Result<Tokenizer> {
    let tokenizer = match file {
        ModelFile::Gguf(gguf) => Tokenizer::from_gguf(gguf)?,
        ModelFile::Safetensors(folder) => Tokenizer::from_folder(folder.folder())?,
    };
    let (tokens, rows) = (tokenizer.len(), encoder.shape().vocabulary);
    match tokens > rows {
        true => Err(Error::Invalid {
            what: file.name(),
            problem: format!("its vocabulary has {tokens} tokens, and the model embeddings for {rows}"),
        }),
        false => Ok(tokenizer),
    }
}

#[async_trait]
impl Embedder for LocalEmbedder {
    fn info(&self) -> &EmbedderInfo {
        &self.info
    }

    async fn embed(&self, texts: &[&str], role: EmbedRole) -> CoreResult<Vec<Embedding>> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let (shared, settings) = (Arc::clone(&self.shared), self.settings.clone());
        worker::run("nootropic-embed", move |dropped| {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            shared.embed(&settings, &texts, role, dropped)
        })
        .await?
    }

    fn inline(&self) -> Option<&dyn InlineEmbedder> {
        match &*self.shared {
            Shared::Table(table) => Some(table),
            Shared::Encoder { .. } => None,
        }
    }

    fn least_cosine(&self) -> Option<f32> {
        match &*self.shared {
            Shared::Table(table) => table.least_cosine(),
            Shared::Encoder { .. } => None,
        }
    }
}

/// What `config.json` says of a table.
#[derive(Deserialize)]
struct TableConfig {
    model_type: Option<String>,
    #[serde(default)]
    split_identifiers: bool,
}

impl Shared {
    fn embed(
        &self,
        settings: &EmbedderSettings,
        texts: &[&str],
        role: EmbedRole,
        dropped: impl Fn() -> bool,
    ) -> CoreResult<Vec<Embedding>> {
        let (tokenizer, encoder) = match self {
            Self::Encoder { tokenizer, encoder } => (tokenizer, encoder),
            Self::Table(table) => return texts.iter().map(|text| table.embed(text)).collect(),
        };
        let prefix = match role {
            EmbedRole::Query => &settings.query_prefix,
            EmbedRole::Document => &settings.document_prefix,
        };
        let tokens = texts.iter().map(|text| tokens_of(tokenizer, prefix, text, settings.max_tokens));
        let tokens = tokens.collect::<Result<Vec<_>>>()?;
        let encoded: Vec<Text<'_>> = tokens.iter().map(|tokens| Text::one(tokens)).collect();
        let columns = encoder.shape().columns;
        let mut vectors = vec![Vec::new(); texts.len()];
        encoder.encode(&encoded, |i, positions| {
            if dropped() {
                return Err(Error::Cancelled);
            }
            if let Some(vector) = vectors.get_mut(i) {
                *vector = settings.pooling.pool(positions, columns);
            }
            Ok(())
        })?;
        vectors.into_iter().map(Embedding::normalized).collect()
    }
}

fn tokens_of(tokenizer: &Tokenizer, prefix: &str, text: &str, most: usize) -> Result<Vec<u32>> {
    let ends = tokenizer.with_ends(Vec::new()).len();
    let tokens = beginning(tokenizer, prefix, text, most.saturating_sub(ends))?;
    Ok(tokenizer.with_ends(tokens).into_iter().map(|token| token.0).collect())
}

/// The first `most` tokens of a text. Of an enormous one no more is read than they need.
pub(super) fn beginning(tokenizer: &Tokenizer, prefix: &str, text: &str, most: usize) -> Result<Vec<TokenId>> {
    let mut bytes = most.saturating_mul(32).max(1024);
    loop {
        let end = (bytes.min(text.len())..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
        let part = text.get(..end).unwrap_or(text);
        let mut tokens = tokenizer.encode(&format!("{prefix}{part}"), Special::AsText)?;
        // What was cut may have changed the last token or two.
        if end == text.len() || tokens.len() > most.saturating_add(16) {
            tokens.truncate(most);
            return Ok(tokens);
        }
        bytes = bytes.saturating_mul(4);
    }
}
