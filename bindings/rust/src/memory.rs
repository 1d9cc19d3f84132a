//! How much memory this process takes, and how much there is.

/// The most memory that was resident from some time on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peak(Option<u64>);

impl Peak {
    /// From now on.
    pub(crate) fn start() -> Self {
        // Sets back the peak: proc_pid_clear_refs(5).
        let reset = std::fs::write("/proc/self/clear_refs", "5");
        Self(reset.ok().and_then(|()| of_status("VmRSS:")))
    }

    /// Bytes more than at the start; nothing where the system does not tell.
    pub(crate) fn more(self) -> Option<u64> {
        Some(of_status("VmHWM:")?.saturating_sub(self.0?))
    }
}

/// Bytes that are free for programs without swapping; nothing where the system does not tell.
pub(crate) fn available() -> Option<u64> {
    line_of("/proc/meminfo", "MemAvailable:")
}

fn of_status(name: &str) -> Option<u64> {
    line_of("/proc/self/status", name)
}

/// A line of a file of the system, in bytes: proc_meminfo(5), proc_pid_status(5).
fn line_of(path: &str, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(path).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::Peak;

    #[test]
    fn memory_that_was_given_back_counts() {
        let peak = Peak::start();
        drop(std::hint::black_box(vec![1_u8; 64 << 20]));
        let more = peak.more().unwrap();
        assert!(more > 60 << 20, "{more}");
    }
}
