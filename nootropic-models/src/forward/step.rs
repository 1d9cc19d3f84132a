//! Several sessions of a model, one step of each at once.

use super::guard::guard;
use super::session::{Caches, Logits, Session};
use super::transformer::Model;
use crate::cpu_model::Piece;
use crate::{Error, Result};

/// What a session takes in.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) session: &'a mut Session,
    pub(crate) tokens: &'a [u32],
    pub(crate) logits: Logits,
}

/// Feeds sessions of one model; on the CPU in one pass, so that weights are read once for all. Returns the logits of each, which
/// have the same bits as if each were fed alone.
///
/// # Errors
/// As [`Session::feed`]. All sessions are of no use after a device failed.
pub(crate) fn step(steps: &mut [Step<'_>]) -> Result<Vec<Vec<f32>>> {
    for step in &*steps {
        step.session.check(step.tokens)?;
    }
    let Some(model) = steps.first().map(|step| step.session.model.clone()) else { return Ok(Vec::new()) };
    let Model::Cpu(cpu) = &*model else {
        return steps.iter_mut().map(|step| step.session.feed(step.tokens, step.logits)).collect();
    };
    let counts: Vec<usize> = steps.iter().map(|step| step.logits.count(step.tokens.len())).collect();
    let mut pieces = Vec::with_capacity(steps.len());
    for step in steps.iter_mut() {
        let (context, tokens, logits) = (step.session.context(), step.tokens, step.logits);
        step.session.failed = true; // until it has gone well
        match &mut step.session.caches {
            Caches::Cpu(caches) => pieces.push(Piece { tokens, caches, context, logits }),
            Caches::Burn(_) => {
                return Err(Error::Invalid { what: "sessions".into(), problem: "they are of two devices".into() });
            }
        }
    }
    let all = guard("a forward pass", "the CPU", || cpu.pass(&mut pieces))?;
    for step in steps.iter_mut() {
        step.session.failed = false;
        step.session.len += step.tokens.len();
    }
    if steps.len() == 1 {
        return Ok(vec![all]);
    }
    let vocabulary = cpu.decoder().vocabulary;
    let mut rest = all.as_slice();
    Ok(counts
        .into_iter()
        .map(|count| {
            let (own, others) = rest.split_at((count * vocabulary).min(rest.len()));
            rest = others;
            own.to_vec()
        })
        .collect())
}
