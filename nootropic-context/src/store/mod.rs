//! One LMDB environment that holds what must last.
