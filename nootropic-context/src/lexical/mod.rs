//! Words of code and the inverted index over them.
