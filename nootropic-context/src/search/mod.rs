//! Ranked answers to a question.
