//! After a power cut at any moment everything that was acknowledged is there, and nothing is half done.
//!
//! Processes use a store while every system call they make on its files is written down. From such a log a model of the disk
//! makes what a power cut could leave, and the store is opened there. `NOOTROPIC_CRASHES` says how many times.
#![cfg(all(target_os = "linux", target_env = "gnu"))] // LD_PRELOAD
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod check;
mod disk;
#[path = "../fault_shim/mod.rs"]
mod fault_shim;
mod life;
mod recording;
#[path = "../store_support/mod.rs"]
mod store_support;
mod survey;

use std::path::{Path, PathBuf};

use check::{Verdict, check};
use disk::Medium;
use fault_shim::story::Story;
use fault_shim::{Watch, log, scratch};
use life::Life;
use recording::{Recording, Troubles};
use store_support::role;
use survey::{Tally, survey};

/// The test that children run.
const TEST: &str = "a_power_cut_loses_nothing_that_was_acknowledged";
/// Set in a child: the seeds and numbers it needs.
const SEED: &str = "NOOTROPIC_TEST_NUMBERS";
/// Steps in a story.
const STEPS: u64 = 300;

fn crashes() -> u64 {
    std::env::var("NOOTROPIC_CRASHES").ok().map_or(300, |crashes| crashes.parse().unwrap())
}

fn numbers() -> Vec<u64> {
    std::env::var(SEED).unwrap().split(' ').map(|number| number.parse().unwrap()).collect()
}

/// A child's part: to use the store, or to look at what power cuts left.
fn play(role: &str, place: PathBuf) {
    if role == "live" {
        let [story, seed] = numbers()[..] else { panic!("two numbers are needed") };
        let story = Story::new(story, STEPS);
        let said = place.with_file_name("said");
        Life::new(&story, &place, &said, seed).run(20);
    } else {
        look(&place);
    }
}

/// Looks at some states; says of each that it begins and how it ended.
fn look(dir: &Path) {
    let [story, seed, sector, lies, root, first, from, to] = numbers()[..] else { panic!("eight numbers are needed") };
    let medium =
        (sector > 0).then_some(Medium { sector, lies_about_files: lies & 1 != 0, lies_about_names: lies & 2 != 0 });
    let telling = Story::new(story, STEPS);
    let log = log::read(&Watch::new(dir).log);
    let recording = Recording { dir: scratch(), story, root, first: first as usize, log };
    for state in from..to {
        println!("\ntry {state}");
        let (tree, promises, cut) = recording.power_cut(state, seed, medium);
        let (image, spare) = (scratch(), scratch());
        disk::write_tree(&tree, image.path());
        let (verdict, detail) = check(image.path(), spare.path(), &telling, &promises);
        println!("\nsaw {state} {} {}", verdict as u8, detail.replace('\n', " "));
        if !verdict.is_good() {
            println!("cut at operation {cut} of {}: {:?}", recording.log.ops.len(), recording.log.ops.get(cut));
        }
    }
}

fn expect_none_bad(crashes: u64, troubles: Troubles) -> Tally {
    let mut tally = Tally::default();
    survey(crashes, troubles, None, &mut |recording, seed, findings| {
        tally.add(findings);
        if let Some((state, (verdict, detail))) =
            findings.iter().enumerate().find(|(_, (verdict, _))| !verdict.is_good())
        {
            let kept = std::env::temp_dir().join(format!("power-loss-{}-{state}", std::process::id()));
            std::fs::create_dir_all(&kept).unwrap();
            std::fs::copy(recording.watch().log, kept.join("log")).unwrap();
            let (tree, promises, cut) = recording.power_cut(state as u64, seed, None);
            disk::write_tree(&tree, &kept.join("image"));
            panic!(
                "state {state} of story {}, cut {cut}: {verdict}: {detail}\npromised: {promises:?}\nkept in {}",
                recording.story,
                kept.display()
            );
        }
    });
    println!("power cuts: {tally:?}");
    tally
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    if let Some((role, place)) = role() {
        return play(&role, place);
    }
    let tally = expect_none_bad(crashes(), Troubles::Kills);
    assert!(
        tally.count(Verdict::Whole) > tally.count(Verdict::None),
        "most power cuts come after something was written"
    );
}

#[test]
fn a_power_cut_after_disk_errors_loses_nothing_that_was_acknowledged() {
    expect_none_bad(crashes() / 3, Troubles::Errors);
}

#[test]
fn a_disk_that_lies_is_seen_to_lose_what_was_acknowledged() {
    // If nothing were found here, finding nothing above would mean nothing.
    for (lies_about_files, lies_about_names) in [(true, false), (false, true)] {
        let medium = Medium { sector: 512, lies_about_files, lies_about_names };
        let mut tally = Tally::default();
        survey(crashes() / 5, Troubles::Kills, Some(medium), &mut |_, _, findings| {
            tally.add(findings);
            let worst = [Verdict::Mixed, Verdict::Damaged, Verdict::Died];
            findings.iter().filter(|(verdict, _)| worst.contains(verdict)).for_each(|finding| println!("{finding:?}"));
        });
        println!("power cuts on a {medium:?}: {tally:?}");
        assert!(tally.bad() * 10 > crashes() / 5, "{tally:?}");
    }
}
