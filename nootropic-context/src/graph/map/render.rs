//! What a map looks like.

use std::fmt::Write;

use super::{MapDefinition, RepoMap};
use crate::graph::one_line;

impl RepoMap {
    /// The map as text: a line for each file and definition, members indented below what holds them, `⋮` after one
    /// that defines more than is shown.
    pub fn text(&self) -> String {
        let mut out = String::new();
        if !self.folders.is_empty() {
            let folders: Vec<String> = self
                .folders
                .iter()
                .map(|folder| {
                    if folder.path.is_empty() {
                        format!("./ {}", folder.files)
                    } else {
                        format!("{}/ {}", one_line(&folder.path), folder.files)
                    }
                })
                .collect();
            let shown: usize = self.folders.iter().map(|folder| folder.files).sum();
            let more = if shown < self.files_total { ", …" } else { "" };
            let _ = writeln!(out, "{} files: {}{more}\n", self.files_total, folders.join(", "));
        }
        for file in &self.files {
            let _ = writeln!(out, "{}", one_line(&file.path));
            for definition in &file.definitions {
                self.line(definition, 1, &mut out);
            }
        }
        out
    }

    fn line(&self, definition: &MapDefinition, depth: usize, out: &mut String) {
        let indent = "  ".repeat(depth);
        let elided = if definition.elided > 0 { " ⋮" } else { "" };
        // Writing to a string does not fail.
        let _ = if self.line_numbers {
            writeln!(out, "{indent}{} {}{elided}", definition.start_line, definition.signature)
        } else {
            writeln!(out, "{indent}{}{elided}", definition.signature)
        };
        for member in &definition.members {
            self.line(member, depth + 1, out);
        }
    }
}
