//! Every chunk once, panics that arrive, and no thread that waits for ever.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Pool;

#[test]
fn every_chunk_is_done_once() {
    for threads in [1, 2, 3, 8] {
        let pool = Pool::new(threads).unwrap();
        assert_eq!(pool.threads(), threads);
        for round in 0..2_000 {
            let chunks = round % 17;
            let counts: Vec<_> = (0..chunks).map(|_| AtomicUsize::new(0)).collect();
            pool.run(chunks, |chunk| {
                counts[chunk].fetch_add(1, Ordering::Relaxed);
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{threads} threads, round {round}");
        }
    }
}

#[test]
fn sleeping_threads_wake_up_for_work() {
    let pool = Pool::new(2).unwrap();
    for _ in 0..3 {
        std::thread::sleep(super::SPIN * 20);
        // Two chunks that each wait for the other: done only if both threads work.
        let arrived = AtomicUsize::new(0);
        pool.run(2, |_| {
            arrived.fetch_add(1, Ordering::SeqCst);
            while arrived.load(Ordering::SeqCst) < 2 {
                std::thread::yield_now();
            }
        });
        assert_eq!(arrived.load(Ordering::SeqCst), 2);
    }
}

#[test]
fn panics_reach_the_caller_and_leave_the_pool_usable() {
    let pool = Pool::new(3).unwrap();
    for bad in [0, 5, 99] {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pool.run(100, |chunk| assert_ne!(chunk, bad, "chunk {bad}"));
        }));
        let message = *result.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains(&format!("chunk {bad}")), "{message}");
        let done = AtomicUsize::new(0);
        pool.run(100, |_| {
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(done.load(Ordering::Relaxed), 100);
    }
}

#[test]
fn work_inside_work_is_done_at_once() {
    let pool = Pool::new(2).unwrap();
    let done = AtomicUsize::new(0);
    pool.run(4, |_| {
        pool.run(5, |_| {
            done.fetch_add(1, Ordering::Relaxed);
        });
    });
    assert_eq!(done.load(Ordering::Relaxed), 20);
}

#[test]
fn callers_take_turns() {
    let pool = Pool::new(2).unwrap();
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    pool.run(7, |_| {
                        done.fetch_add(1, Ordering::Relaxed);
                    });
                }
            });
        }
    });
    assert_eq!(done.load(Ordering::Relaxed), 4 * 200 * 7);
}
