//! Reads one file as text.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::decode::decode;
use super::generated::skip_by_text;
use super::names::skip_by_name;
use super::open::Root;
use super::{FileStamp, RelPath, SkipReason, WalkOptions};
use crate::{Error, Result};

/// How often a file that changes while it is read is tried, and how long the pause between is.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(5);

/// A file as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The text as UTF-8, without a byte order mark.
    pub text: String,
    /// BLAKE3 of the bytes on disk.
    pub hash: [u8; 32],
    /// What it was decoded from: a name of the WHATWG encoding standard, or `UTF-32LE` or `UTF-32BE`.
    pub encoding: &'static str,
    /// Whether some bytes meant nothing in that encoding and became U+FFFD.
    pub lossy: bool,
    /// Length on disk.
    pub bytes: u64,
    /// The stamp to keep: when a walk finds the same one again, the file has not changed. [`FileStamp::NEVER`] if the
    /// file was written so shortly before that only its hash can tell.
    pub stamp: FileStamp,
}

/// Why a file gave no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skip {
    /// The reason.
    pub reason: SkipReason,
    /// As [`Content::stamp`]: while a walk finds the same one, the reason stands. [`FileStamp::NEVER`] if it may pass.
    pub stamp: FileStamp,
}

impl From<SkipReason> for Skip {
    fn from(reason: SkipReason) -> Self {
        Self { reason, stamp: FileStamp::NEVER }
    }
}

/// Reads files below one root; threads may share it.
///
/// It opens regular files only, and none through a link, not even one put there after the walk.
#[derive(Debug)]
pub struct Reader {
    root: Root,
    max_bytes: u64,
    generated: bool,
}

impl Reader {
    /// A reader of the files below `root`.
    ///
    /// # Errors
    /// [`Error::Io`] if `root` cannot be opened.
    pub fn new(root: &Path, options: &WalkOptions) -> Result<Self> {
        let root = Root::new(root).map_err(|source| Error::Io { op: "open", path: root.to_owned(), source })?;
        Ok(Self { root, max_bytes: options.largest(), generated: options.generated })
    }

    /// The text of a file.
    ///
    /// # Errors
    /// [`Skip`] says why there is none.
    pub fn read(&self, path: &RelPath) -> Result<Content, Skip> {
        if let Some(reason) = skip_by_name(path.name(), self.generated) {
            return Err(reason.into());
        }
        let mut attempt = 1;
        let (bytes, stamp) = loop {
            match self.bytes(path) {
                Err(SkipReason::Changing) if attempt < ATTEMPTS => attempt += 1,
                Err(reason) => return Err(reason.into()),
                Ok(read) => break read,
            }
            std::thread::sleep(PAUSE * attempt);
        };
        let skip = |reason| Skip { reason, stamp };
        let (hash, length) = (*blake3::hash(&bytes).as_bytes(), bytes.len() as u64);
        let decoded = decode(&bytes).ok_or_else(|| skip(SkipReason::Binary))?;
        if let Some(reason) = (!self.generated).then(|| skip_by_text(path.name(), &decoded.text)).flatten() {
            return Err(skip(reason));
        }
        let (encoding, lossy) = (decoded.encoding, decoded.lossy);
        let text = match decoded.text {
            // The bytes are the text: large files are not copied.
            Cow::Borrowed(text) if text.len() == bytes.len() => {
                String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
            }
            text => text.into_owned(),
        };
        Ok(Content { hash, bytes: length, text, encoding, lossy, stamp })
    }

    /// The bytes of a file at one moment, and the stamp to keep.
    fn bytes(&self, path: &RelPath) -> Result<(Vec<u8>, FileStamp), SkipReason> {
        let unreadable = |error: std::io::Error| SkipReason::of(&error);
        let file = self.root.open(path, self.max_bytes)?;
        let taken = SystemTime::now();
        let before = stamp(&file)?;
        if before.size > self.max_bytes {
            return Err(SkipReason::TooLarge);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(before.size).unwrap_or(0) + 1);
        (&file).take(self.max_bytes + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if stamp(&file)? != before || bytes.len() as u64 != before.size {
            return Err(SkipReason::Changing);
        }
        Ok((bytes, before.settled(taken)))
    }
}

fn stamp(file: &File) -> Result<FileStamp, SkipReason> {
    let metadata = file.metadata().map_err(|error| SkipReason::of(&error))?;
    if metadata.is_file() { Ok(FileStamp::of(&metadata)) } else { Err(SkipReason::NotRegular) }
}
