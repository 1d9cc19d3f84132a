//! An encoder.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::embedding::Embedding;
use super::encoder_block::{CpuEncoderBlock, PanelRoom, Worker};
use crate::Result;
use crate::arch::{Encoder, EncoderWeights, NormWeights, Table};
use crate::cpu::{AttentionRoom, Pool, Spares, WholeTexts, for_each_panel, layer_norm_in_place};
use crate::embed::Text;

/// Rows that a thread takes through a block at once: what lies between the operations stays in its second cache.
const PANEL: usize = 32;

/// An encoder with its weights packed for the CPU.
#[derive(Debug)]
pub(crate) struct CpuEncoder {
    encoder: Encoder,
    pool: Arc<Pool>,
    embedding: Embedding,
    positions: Vec<f32>,
    kinds: Vec<f32>,
    embedding_norm: NormWeights,
    blocks: Vec<CpuEncoderBlock>,
    norm: Option<NormWeights>,
    eight_bits: bool,
    panels: Spares<PanelRoom>,
    attention: Spares<AttentionRoom>,
    /// Left by the last pass.
    scratch: Mutex<Option<Box<Scratch>>>,
}

/// Room for what is between attention and the rest.
#[derive(Debug, Default)]
struct Scratch {
    x: Vec<f32>,
    queries_keys: Vec<f32>,
    values: Vec<f32>,
    mixed: Vec<f32>,
}

/// A text, and the row of its first position.
type Placed<'a> = (Range<usize>, Text<'a>);

impl CpuEncoder {
    /// Packs the weights; `eight_bits` makes them smaller and faster by a factor, and off by a part in a hundred.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) if a matrix is too large or of a type that cannot be read,
    /// [`Error::Io`](crate::Error::Io) if there is no memory.
    pub(crate) fn new(
        encoder: Encoder,
        weights: EncoderWeights<'_>,
        pool: Arc<Pool>,
        eight_bits: bool,
    ) -> Result<Self> {
        let blocks = weights.blocks.into_iter().zip(&encoder.blocks);
        let blocks = blocks.map(|(weights, shape)| CpuEncoderBlock::new(weights, shape, eight_bits));
        let blocks = blocks.collect::<Result<_>>()?;
        Ok(Self {
            embedding: Embedding::new(&weights.embedding, eight_bits)?,
            encoder,
            pool,
            positions: weights.positions,
            kinds: weights.kinds,
            embedding_norm: weights.embedding_norm,
            blocks,
            norm: weights.norm,
            eight_bits,
            panels: Spares::default(),
            attention: Spares::default(),
            scratch: Mutex::default(),
        })
    }

    /// Whether it computes with weights of eight bits.
    pub(crate) fn eight_bits(&self) -> bool {
        self.eight_bits
    }

    pub(crate) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// The vectors of all positions, text after text, `[tokens of all texts, columns]`.
    ///
    /// Texts have a token at least and no more than there are positions, and tokens are below the vocabulary.
    ///
    /// # Errors
    /// None for an encoder that was checked.
    pub(crate) fn pass(&self, texts: &[Text<'_>]) -> Result<Vec<f32>> {
        let room = || self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = room().take().unwrap_or_default();
        let result = self.pass_in(texts, &mut scratch);
        let vectors = std::mem::take(&mut scratch.x);
        *room() = Some(scratch);
        result.map(|()| vectors)
    }

    fn pass_in(&self, texts: &[Text<'_>], scratch: &mut Scratch) -> Result<()> {
        let Scratch { x, queries_keys, values, mixed } = scratch;
        let (columns, tables) = (self.encoder.columns, self.tables(texts));
        let texts = placed(texts);
        let rows = texts.last().map_or(0, |(range, _)| range.end);
        x.resize(rows * columns, 0.0);
        self.for_each_panel(rows, [(x, columns)], |rows, worker, [x]| {
            self.embed(&texts, rows, x)?;
            normalize(worker, &self.embedding_norm, x)
        })?;
        let ranges: Vec<Range<usize>> = texts.iter().map(|(range, _)| range.clone()).collect();
        for (i, shape) in self.encoder.blocks.iter().enumerate() {
            let Some(block) = self.blocks.get(i) else { break };
            let attention = &shape.attention;
            let row = attention.heads * attention.head_columns;
            let table = attention.rope.and_then(|rope| tables.get(rope));
            queries_keys.resize(rows * 2 * row, 0.0);
            values.resize(rows * row, 0.0);
            mixed.resize(rows * row, 0.0);
            let buffers = [(&mut **x, columns), (queries_keys, 2 * row), (values, row)];
            self.for_each_panel(rows, buffers, |panel, worker, [x, queries_keys, values]| {
                let angles = table.map(|table| angles(table, rows, &panel));
                block.query_key_value(worker, attention.head_columns, angles, x, queries_keys, values)
            })?;
            let whole = WholeTexts {
                heads: attention.heads,
                head_dim: attention.head_columns,
                scale: attention.scale,
                window: attention.window,
                texts: &ranges,
                queries_keys,
                values,
            };
            whole.run(&self.pool, &self.attention, mixed)?;
            self.for_each_panel(rows, [(x, columns), (mixed, row)], |_, worker, [x, mixed]| {
                block.finish(worker, mixed, x)
            })?;
        }
        match &self.norm {
            Some(norm) => self.for_each_panel(rows, [(x, columns)], |_, worker, [x]| normalize(worker, norm, x)),
            None => Ok(()),
        }
    }

    /// Runs `work` for panels of rows; its first error, if there is one.
    fn for_each_panel<const N: usize>(
        &self,
        rows: usize,
        buffers: [(&mut [f32], usize); N],
        work: impl Fn(Range<usize>, &mut Worker<'_>, [&mut [f32]; N]) -> Result<()> + Sync,
    ) -> Result<()> {
        let outcome = Mutex::new(Ok(()));
        for_each_panel(&self.pool, rows, PANEL, buffers, |rows, parts| {
            let done = self.panels.with(|room| {
                let Encoder { order, epsilon, .. } = self.encoder;
                work(rows, &mut Worker { pool: &self.pool, order, epsilon, room }, parts)
            });
            if let Err(problem) = done {
                *outcome.lock().unwrap_or_else(PoisonError::into_inner) = Err(problem);
            }
        });
        outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sum of what a word, its position and its kind of text have.
    fn embed(&self, texts: &[Placed<'_>], rows: Range<usize>, x: &mut [f32]) -> Result<()> {
        let columns = self.encoder.columns;
        let mut at = texts.partition_point(|(range, _)| range.end <= rows.start);
        for (row, x) in rows.zip(x.chunks_exact_mut(columns)) {
            at += usize::from(texts.get(at).is_some_and(|(range, _)| range.end <= row));
            let Some((range, text)) = texts.get(at) else { break };
            let position = row - range.start;
            self.embedding.read(text.tokens.get(position).map_or(0, |token| *token as usize), x)?;
            let kind = text.kind(position).min(self.encoder.kinds.saturating_sub(1));
            for added in [self.positions.get(position * columns..), self.kinds.get(kind * columns..)] {
                x.iter_mut().zip(added.unwrap_or_default()).for_each(|(x, y)| *x += y);
            }
        }
        Ok(())
    }

    /// The angles of each rope at all positions of all texts.
    fn tables(&self, texts: &[Text<'_>]) -> Vec<Table> {
        let ropes = self.encoder.ropes.iter();
        let table = |rope: &crate::arch::Rope| {
            let mut table = Table { cos: Vec::new(), sin: Vec::new() };
            for text in texts {
                let Table { cos, sin } = rope.table(0, text.tokens.len(), text.tokens.len());
                table.cos.extend(cos);
                table.sin.extend(sin);
            }
            table
        };
        ropes.map(table).collect()
    }
}

/// Each text with its rows.
fn placed<'a>(texts: &[Text<'a>]) -> Vec<Placed<'a>> {
    let mut end = 0;
    let place = |text: &Text<'a>| {
        let start = end;
        end += text.tokens.len();
        (start..end, *text)
    };
    texts.iter().map(place).collect()
}

/// The angles of a panel of `rows` rows in all.
fn angles<'a>(table: &'a Table, rows: usize, panel: &Range<usize>) -> (&'a [f32], &'a [f32]) {
    let pairs = table.cos.len() / rows;
    let part = panel.start * pairs..panel.end * pairs;
    (table.cos.get(part.clone()).unwrap_or_default(), table.sin.get(part).unwrap_or_default())
}

fn normalize(worker: &Worker<'_>, norm: &NormWeights, x: &mut [f32]) -> Result<()> {
    layer_norm_in_place(worker.pool, x, &norm.weight, norm.bias.as_deref().unwrap_or_default(), worker.epsilon)
}
