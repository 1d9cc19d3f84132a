//! The longest of many strings that stands at a place, and every one that does.

/// Strings by their bytes, each with a number.
#[derive(Debug, Default)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
    /// The byte of each edge; those of a node stand together, ascending.
    labels: Vec<u8>,
    /// The node each edge leads to.
    targets: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    first_edge: u32,
    edges: u16,
    value: Option<u32>,
}

impl Trie {
    /// Of strings with their numbers. Of equal strings the first counts; the empty string is left out.
    pub(crate) fn new<'a>(strings: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let mut sorted: Vec<(&[u8], u32)> =
            strings.into_iter().filter(|(text, _)| !text.is_empty()).map(|(text, id)| (text.as_bytes(), id)).collect();
        sorted.sort_by(|a, b| a.0.cmp(b.0)); // stable: the first of equals stays first
        sorted.dedup_by(|later, first| later.0 == first.0);
        let mut trie = Self { nodes: vec![Node { first_edge: 0, edges: 0, value: None }], ..Self::default() };
        // Breadth first: node, the strings that pass through it, how many of their bytes led there.
        let mut queue = std::collections::VecDeque::from([(0_usize, sorted.as_slice(), 0_usize)]);
        while let Some((node, mut strings, depth)) = queue.pop_front() {
            let mut value = None;
            if let Some(((text, id), rest)) = strings.split_first()
                && text.len() == depth
            {
                (value, strings) = (Some(*id), rest);
            }
            let first_edge = trie.labels.len() as u32;
            for group in strings.chunk_by(|a, b| a.0.get(depth) == b.0.get(depth)) {
                let Some(label) = group.first().and_then(|(text, _)| text.get(depth)) else { continue };
                trie.labels.push(*label);
                trie.targets.push(trie.nodes.len() as u32);
                queue.push_back((trie.nodes.len(), group, depth + 1));
                trie.nodes.push(Node { first_edge: 0, edges: 0, value: None });
            }
            let edges = (trie.labels.len() as u32 - first_edge) as u16; // at most 256
            if let Some(slot) = trie.nodes.get_mut(node) {
                *slot = Node { first_edge, edges, value };
            }
        }
        trie
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Whether a string begins with this byte.
    pub(crate) fn begins(&self, byte: u8) -> bool {
        self.step(0, byte).is_some()
    }

    /// The strings that `text` begins with, shortest first: length in bytes, and number.
    pub(crate) fn prefixes<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (usize, u32)> + 'a {
        let mut node = Some(0);
        text.iter()
            .enumerate()
            .map_while(move |(depth, byte)| {
                node = self.step(node?, *byte);
                let value = self.nodes.get(node? as usize)?.value;
                Some(value.map(|value| (depth + 1, value)))
            })
            .flatten()
    }

    fn step(&self, node: u32, byte: u8) -> Option<u32> {
        let node = self.nodes.get(node as usize)?;
        let first = node.first_edge as usize;
        let labels = self.labels.get(first..first + usize::from(node.edges))?;
        let edge = labels.binary_search(&byte).ok()?;
        self.targets.get(first + edge).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Trie;

    #[test]
    fn finds_every_prefix_shortest_first() {
        let trie = Trie::new([("ab", 1), ("a", 2), ("abcd", 3), ("b", 4), ("", 5), ("ab", 6)]);
        assert_eq!(trie.prefixes(b"abcx").collect::<Vec<_>>(), [(1, 2), (2, 1)]);
        assert_eq!(trie.prefixes(b"abcde").collect::<Vec<_>>(), [(1, 2), (2, 1), (4, 3)]);
        assert_eq!(trie.prefixes(b"xab").count(), 0);
        assert!(trie.begins(b'b') && !trie.begins(b'c') && !trie.is_empty());
        assert!(Trie::new([]).is_empty());
    }
}
