//! Which files of a repository are worth reading, and their text.
