//! What to walk and how much of it.

/// What to walk and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkOptions {
    /// Files larger than this, in bytes, are skipped without being opened; those larger than 1 GiB are in any case.
    pub max_file_bytes: u64,
    /// Whether names that begin with a dot are wanted. Without it only the ones repositories keep on purpose are, such
    /// as `.github` or `.editorconfig`, and those an ignore file whitelists (`!.name`).
    pub hidden: bool,
    /// Whether what ignore files exclude is wanted all the same.
    pub ignored: bool,
    /// Whether generated and minified files and lock files are wanted.
    pub generated: bool,
    /// If any is given, only files that match one are wanted. Globs are written as in `.gitignore`, from the root.
    pub include: Vec<String>,
    /// What matches one of these is not wanted. Globs are written as in `.gitignore`, from the root.
    pub exclude: Vec<String>,
    /// How many threads list folders; 0 picks by the machine.
    pub threads: usize,
}

impl WalkOptions {
    /// The largest file that is read: its text and all that is made of it has to fit in 32-bit offsets.
    pub(super) fn largest(&self) -> u64 {
        self.max_file_bytes.min(1 << 30)
    }
}

impl Default for WalkOptions {
    fn default() -> Self {
        Self {
            max_file_bytes: 2 << 20,
            hidden: false,
            ignored: false,
            generated: false,
            include: Vec::new(),
            exclude: Vec::new(),
            threads: 0,
        }
    }
}
