//! Fits a table of token vectors to pairs of texts that belong together, so that a question's vector lies near that of its answer.
//!
//! The loss is InfoNCE, both ways, with the other pairs of a batch as the wrong answers: van den Oord, Li and Vinyals, *Representation
//! Learning with Contrastive Predictive Coding*, 2018. Rows are moved by Adam (Kingma and Ba, 2015), those that a batch does not touch
//! not at all. Sums are made in one order, so that the same pairs give the same table on any number of threads.

use std::ops::ControlFlow;

use rayon::prelude::*;

use super::DistilledFit;
use crate::random::Random;
use crate::{Error, Result};

const EPOCHS: usize = 2;
/// Pairs that are told apart from each other at once.
const BATCH: usize = 512;
const TEMPERATURE: f32 = 0.07;
const RATE: f32 = 0.003;
/// Steps in which the rate rises to its height, from where it falls to nothing.
const WARM_UP: usize = 50;
/// Adam's decay of the mean and of the square.
const DECAY: (f32, f32) = (0.9, 0.99);
/// Most pairs that are held back to measure with; never more than a tenth of all.
const HELD_BACK: usize = 2048;

/// A question and its passage, as tokens.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TokenPair {
    /// Where it is from: pairs of one group are told apart from each other, which teaches more than telling groups apart.
    pub(super) group: u32,
    pub(super) question: Vec<u32>,
    pub(super) passage: Vec<u32>,
}

/// A table that is being fitted.
struct Fit<'a> {
    rows: &'a mut [f32],
    columns: usize,
    mean: Vec<f32>,
    square: Vec<f32>,
}

/// The sum of a text's rows.
struct Bag {
    /// Of length 1.
    direction: Vec<f32>,
    length: f32,
}

/// Moves the rows of a table, `[tokens, columns]`. `progress` is told steps and of how many.
///
/// # Errors
/// [`Error::Invalid`] if there are too few pairs to learn from; [`Error::Cancelled`].
pub(super) fn fit(
    rows: &mut [f32],
    columns: usize,
    mut pairs: Vec<TokenPair>,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<DistilledFit> {
    let mut random = Random::new(0);
    shuffle(&mut pairs, &mut random);
    let held = pairs.split_off(pairs.len() - HELD_BACK.min(pairs.len() / 10));
    let batch = BATCH.min(pairs.len() / 2);
    if batch < 2 || held.is_empty() {
        let problem = format!("{} pairs are too few to learn from", pairs.len() + held.len());
        return Err(Error::Invalid { what: "fitting".into(), problem });
    }
    let size = rows.len();
    let mut fit = Fit { rows, columns, mean: vec![0.0; size], square: vec![0.0; size] };
    fit.scale();
    let before = fit.reciprocal_rank(&held);
    let steps = EPOCHS * (pairs.len() / batch);
    let mut step = 0;
    for _ in 0..EPOCHS {
        pairs = by_group(pairs, batch, &mut random);
        for batch in pairs.chunks_exact(batch) {
            if progress(step, steps).is_break() {
                return Err(Error::Cancelled);
            }
            step += 1;
            let rate = RATE * (1.0 - step as f32 / (steps + 1) as f32) * (step as f32 / WARM_UP as f32).min(1.0);
            fit.step(&shown(batch, &random.part(step as u64)), rate);
        }
    }
    Ok(DistilledFit { pairs: pairs.len() + held.len(), before, after: fit.reciprocal_rank(&held) })
}

fn shuffle<T>(items: &mut [T], random: &mut Random) {
    for i in (1..items.len()).rev() {
        items.swap(i, random.below(i + 1));
    }
}

/// An order in which the pairs of a batch are of as few groups as can be, and batches come as they will.
fn by_group(mut pairs: Vec<TokenPair>, batch: usize, random: &mut Random) -> Vec<TokenPair> {
    shuffle(&mut pairs, random);
    pairs.sort_by_key(|pair| pair.group);
    let mut blocks: Vec<Vec<TokenPair>> = Vec::new();
    for pair in pairs {
        match blocks.last_mut() {
            Some(block) if block.len() < batch && block[0].group == pair.group => block.push(pair),
            _ => blocks.push(vec![pair]),
        }
    }
    shuffle(&mut blocks, random);
    blocks.into_iter().flatten().collect()
}

/// The pairs as a step sees them: half of the passages without the words of their question, which words find anyway.
fn shown(batch: &[TokenPair], random: &Random) -> Vec<TokenPair> {
    let show = |(i, pair): (usize, &TokenPair)| {
        let mut pair = pair.clone();
        if random.part(i as u64).below(2) == 0 {
            let others = |token: &u32| !pair.question.contains(token);
            let left: Vec<u32> = pair.passage.iter().copied().filter(others).collect();
            if left.len() >= 4 {
                pair.passage = left;
            }
        }
        pair
    };
    batch.par_iter().enumerate().map(show).collect()
}

impl Fit<'_> {
    /// Makes the mean length of rows 1, so that a rate means the same for every table.
    fn scale(&mut self) {
        let lengths: f32 = self.rows.chunks_exact(self.columns).map(|row| dot(row, row).sqrt()).sum();
        let mean = lengths / (self.rows.len() / self.columns) as f32;
        if mean > 0.0 {
            self.rows.iter_mut().for_each(|x| *x /= mean);
        }
    }

    fn bag(&self, tokens: &[u32]) -> Bag {
        let mut direction = vec![0.0; self.columns];
        for token in tokens {
            add(1.0, &self.rows[*token as usize * self.columns..][..self.columns], &mut direction);
        }
        let length = dot(&direction, &direction).sqrt().max(1e-9);
        direction.iter_mut().for_each(|x| *x /= length);
        Bag { direction, length }
    }

    fn reciprocal_rank(&self, held: &[TokenPair]) -> f64 {
        let bags =
            |text: fn(&TokenPair) -> &[u32]| -> Vec<Bag> { held.par_iter().map(|p| self.bag(text(p))).collect() };
        let (questions, passages) = (bags(|pair| &pair.question), bags(|pair| &pair.passage));
        let rank = |(question, own): (&Bag, &Bag)| {
            let own = dot(&question.direction, &own.direction);
            let ahead = passages.iter().filter(|other| dot(&question.direction, &other.direction) >= own).count();
            1.0 / ahead.max(1) as f64
        };
        questions.par_iter().zip(&passages).map(rank).sum::<f64>() / held.len() as f64
    }

    /// One step down the loss of a batch.
    fn step(&mut self, batch: &[TokenPair], rate: f32) {
        let bags = |text: fn(&TokenPair) -> &[u32]| -> Vec<Bag> {
            batch.par_iter().map(|pair| self.bag(text(pair))).collect()
        };
        let (questions, passages) = (bags(|pair| &pair.question), bags(|pair| &pair.passage));
        let slopes = slopes(&questions, &passages);
        let n = batch.len();
        let turn = |side: &[Bag], other: &[Bag], slope: &(dyn Fn(usize, usize) -> f32 + Sync)| -> Vec<Vec<f32>> {
            (0..n).into_par_iter().map(|i| gradient(&side[i], other, |j| slope(i, j))).collect()
        };
        let of_questions = turn(&questions, &passages, &|i, j| slopes[i * n + j]);
        let of_passages = turn(&passages, &questions, &|i, j| slopes[j * n + i]);
        // Every use of a token, in an order that does not hang on threads.
        let mut uses: Vec<(u32, usize, bool)> = Vec::new();
        for (i, pair) in batch.iter().enumerate() {
            uses.extend(pair.question.iter().map(|token| (*token, i, false)));
            uses.extend(pair.passage.iter().map(|token| (*token, i, true)));
        }
        uses.par_sort_unstable();
        let tokens: Vec<&[(u32, usize, bool)]> = uses.chunk_by(|a, b| a.0 == b.0).collect();
        let sum = |uses: &&[(u32, usize, bool)]| {
            let mut sum = vec![0.0; self.columns];
            for (_, i, is_passage) in *uses {
                add(1.0, if *is_passage { &of_passages[*i] } else { &of_questions[*i] }, &mut sum);
            }
            (uses[0].0, sum)
        };
        let gradients: Vec<(u32, Vec<f32>)> = tokens.par_iter().map(sum).collect();
        gradients.iter().for_each(|(token, gradient)| self.adam(*token as usize, gradient, rate));
    }

    fn adam(&mut self, row: usize, gradient: &[f32], rate: f32) {
        let range = row * self.columns..(row + 1) * self.columns;
        let state = self.mean[range.clone()].iter_mut().zip(&mut self.square[range.clone()]);
        for ((x, (mean, square)), g) in self.rows[range].iter_mut().zip(state).zip(gradient) {
            *mean = DECAY.0 * *mean + (1.0 - DECAY.0) * g;
            *square = DECAY.1 * *square + (1.0 - DECAY.1) * g * g;
            *x -= rate * *mean / (square.sqrt() + 1e-8);
        }
    }
}

/// How the loss changes with each cosine, `[questions, passages]`: what softmax gives a passage among all for a question, and a question
/// among all for a passage, less what it should.
fn slopes(questions: &[Bag], passages: &[Bag]) -> Vec<f32> {
    let n = questions.len();
    let along = |question: &Bag| -> Vec<f32> {
        passages.iter().map(|passage| dot(&question.direction, &passage.direction) / TEMPERATURE).collect()
    };
    let mut all: Vec<f32> = questions.par_iter().flat_map_iter(along).collect();
    let log_sum = |values: &[f32]| {
        let most = values.iter().copied().fold(f32::MIN, f32::max);
        most + values.iter().map(|x| (x - most).exp()).sum::<f32>().ln()
    };
    let of_rows: Vec<f32> = all.par_chunks(n).map(log_sum).collect();
    let column = |j: usize| log_sum(&all.iter().skip(j).step_by(n).copied().collect::<Vec<f32>>());
    let of_columns: Vec<f32> = (0..n).into_par_iter().map(column).collect();
    all.par_chunks_mut(n).enumerate().for_each(|(i, row)| {
        for (j, x) in row.iter_mut().enumerate() {
            let right = if i == j { 2.0 } else { 0.0 };
            *x = ((*x - of_rows[i]).exp() + (*x - of_columns[j]).exp() - right) / (2.0 * TEMPERATURE);
        }
    });
    all
}

/// What moves the sum of a text's rows: the others', each by its slope, without what lies along the text itself.
fn gradient(text: &Bag, others: &[Bag], slope: impl Fn(usize) -> f32) -> Vec<f32> {
    /// Less is not seen in the sum.
    const NOTHING: f32 = 1e-5;
    let mut sum = vec![0.0; text.direction.len()];
    for (j, other) in others.iter().enumerate() {
        let slope = slope(j);
        if slope.abs() > NOTHING {
            add(slope, &other.direction, &mut sum);
        }
    }
    let along = dot(&text.direction, &sum);
    sum.iter_mut().zip(&text.direction).for_each(|(sum, x)| *sum = (*sum - along * x) / text.length);
    sum
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

fn add(factor: f32, row: &[f32], sum: &mut [f32]) {
    sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += factor * x);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Questions of tokens 0 to 39, passages of 40 to 79: question `i` belongs to passage `i + 40`, and nothing in the table says so.
    fn riddles(n: usize) -> Vec<TokenPair> {
        let mut random = Random::new(5);
        let riddle = |random: &mut Random| {
            let of: Vec<u32> = (0..3).map(|_| random.below(40) as u32).collect();
            TokenPair { group: of[0] % 3, passage: of.iter().map(|token| token + 40).collect(), question: of }
        };
        (0..n).map(|_| riddle(&mut random)).collect()
    }

    fn table() -> Vec<f32> {
        let mut random = Random::new(9);
        (0..80 * 32).map(|_| random.normal()).collect()
    }

    #[test]
    fn questions_come_to_find_their_passages() {
        let mut rows = table();
        let fitted = fit(&mut rows, 32, riddles(20_000), &mut |_, _| ControlFlow::Continue(())).unwrap();
        assert_eq!(fitted.pairs, 20_000);
        assert!(fitted.before < 0.1 && fitted.after > 0.5, "{fitted:?}");
    }

    #[test]
    fn the_slope_is_that_of_the_loss() {
        // The loss of a batch at a table, and at tables that differ in one number.
        let batch: Vec<TokenPair> = riddles(6);
        let loss = |rows: &[f32]| {
            let mut rows = rows.to_vec();
            let fit = Fit { rows: &mut rows, columns: 32, mean: Vec::new(), square: Vec::new() };
            let cosine = |i: usize, j: usize| {
                let (a, b) = (fit.bag(&batch[i].question), fit.bag(&batch[j].passage));
                f64::from(dot(&a.direction, &b.direction) / TEMPERATURE)
            };
            let one = |i: usize| {
                let row: f64 = (0..6).map(|j| cosine(i, j).exp()).sum();
                let column: f64 = (0..6).map(|j| cosine(j, i).exp()).sum();
                (row.ln() + column.ln()) / 2.0 - cosine(i, i)
            };
            (0..6).map(one).sum::<f64>()
        };
        let mut rows = table();
        let fit = Fit { rows: &mut rows, columns: 32, mean: Vec::new(), square: Vec::new() };
        let questions: Vec<Bag> = batch.iter().map(|pair| fit.bag(&pair.question)).collect();
        let passages: Vec<Bag> = batch.iter().map(|pair| fit.bag(&pair.passage)).collect();
        let slopes = slopes(&questions, &passages);
        let token = batch[2].question[0];
        let sum: Vec<f32> = (0..6)
            .flat_map(|i| batch[i].question.iter().filter(|t| **t == token).map(move |_| i))
            .map(|i| gradient(&questions[i], &passages, |j| slopes[i * 6 + j]))
            .fold(vec![0.0; 32], |mut sum, row| {
                add(1.0, &row, &mut sum);
                sum
            });
        for column in [0, 7, 31] {
            let at = token as usize * 32 + column;
            let (mut more, mut less) = (table(), table());
            more[at] += 1e-2;
            less[at] -= 1e-2;
            let right = (loss(&more) - loss(&less)) / 2e-2;
            assert!((f64::from(sum[column]) - right).abs() < 2e-2 * right.abs().max(0.1), "{} {right}", sum[column]);
        }
    }

    #[test]
    fn the_same_pairs_give_the_same_table_on_any_number_of_threads() {
        let run = |threads| {
            let mut rows = table();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&mut rows, 32, riddles(3_000), &mut |_, _| ControlFlow::Continue(()))).unwrap();
            rows
        };
        assert!(run(1) == run(3));
    }

    #[test]
    fn too_few_pairs_are_refused_and_a_run_can_be_stopped() {
        let few = fit(&mut table(), 32, riddles(5), &mut |_, _| ControlFlow::Continue(())).unwrap_err();
        assert!(few.to_string().contains("5 pairs are too few"), "{few}");
        let stopped = fit(&mut table(), 32, riddles(3_000), &mut |_, _| ControlFlow::Break(())).unwrap_err();
        assert!(matches!(stopped, Error::Cancelled));
    }
}
