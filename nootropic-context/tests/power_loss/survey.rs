//! Many power cuts, and how many of them ended how.

use std::collections::BTreeMap;

use crate::check::{Finding, Verdict};
use crate::disk::Medium;
use crate::fault_shim::run_to_end;
use crate::recording::{Recording, Troubles};
use crate::store_support::{Random, child};
use crate::{SEED, TEST};

/// Is shown each recording, the seed its states were drawn with, and what was found in them.
type See<'s> = dyn FnMut(&Recording, u64, &[Finding]) + 's;

/// Makes and looks at states `0..states` of a recording, in children: a store that ends one is a finding too.
fn judge(recording: &Recording, states: u64, seed: u64, medium: Option<Medium>) -> Vec<Finding> {
    let mut findings = Vec::new();
    while (findings.len() as u64) < states {
        let from = findings.len() as u64;
        let (sector, lies) = medium.map_or((0, 0), |medium| {
            (medium.sector, u64::from(medium.lies_about_files) | u64::from(medium.lies_about_names) << 1)
        });
        let numbers = [recording.story, seed, sector, lies, recording.root, recording.first as u64, from, states];
        let mut command = child(TEST, "look", recording.dir.path());
        command.env(SEED, numbers.map(|number| number.to_string()).join(" "));
        let (status, output) = run_to_end(&mut command, recording.dir.path());
        for line in output.lines().filter_map(|line| line.strip_prefix("saw ")) {
            let mut words = line.splitn(3, ' ').skip(1);
            let verdict = Verdict::ALL[words.next().unwrap().parse::<usize>().unwrap()];
            findings.push((verdict, words.next().unwrap_or_default().to_owned()));
        }
        if (findings.len() as u64) < states {
            let ended = status.map_or("hung".to_owned(), |status| status.to_string());
            findings.push((Verdict::Died, format!("{ended}\n{output}")));
        }
    }
    findings
}

/// How many states ended how.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<Verdict, u64>);

impl Tally {
    pub(crate) fn add(&mut self, findings: &[Finding]) {
        for (verdict, _) in findings {
            *self.0.entry(*verdict).or_default() += 1;
        }
    }

    pub(crate) fn count(&self, verdict: Verdict) -> u64 {
        self.0.get(&verdict).copied().unwrap_or(0)
    }

    pub(crate) fn bad(&self) -> u64 {
        self.0.iter().filter(|(verdict, _)| !verdict.is_good()).map(|(_, count)| count).sum()
    }
}

/// Makes recordings, and power cuts in each, until there are `crashes`.
pub(crate) fn survey(crashes: u64, troubles: Troubles, medium: Option<Medium>, seen: &mut See<'_>) {
    let mut random = Random::seeded();
    let each = (crashes / 12).clamp(20, 40);
    let mut start: Option<(u64, u64, Recording)> = None;
    let mut done = 0;
    while done < crashes {
        // Every other recording goes on with what a power cut left of the one before.
        let (story, image) = match start.take() {
            Some((story, seed, before)) => {
                let (tree, promises, _) = before.power_cut(random.below(1 << 20), seed, None);
                (story, Some((tree, promises)))
            }
            None => (random.below(1 << 40), None),
        };
        let fresh = image.is_none();
        let recording = Recording::make(story, image, troubles, &mut random);
        let seed = random.below(1 << 40);
        let findings = judge(&recording, each, seed, medium);
        seen(&recording, seed, &findings);
        done += each;
        if fresh && medium.is_none() {
            start = Some((story, seed, recording));
        }
    }
}
