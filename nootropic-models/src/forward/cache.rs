//! Keys and values of the positions a session has seen.

use burn::tensor::{Device, Tensor};

/// Room that is made at first, in positions; it doubles as it fills.
const SMALLEST: usize = 256;

/// Keys and values of one layer, `[kv heads, room, head columns]` each.
#[derive(Debug, Default, Clone)]
pub(super) struct LayerCache {
    kept: Option<(Tensor<3>, Tensor<3>)>,
}

impl LayerCache {
    /// Writes keys and values of the positions from `first`, and returns those of all positions up to them.
    pub(super) fn append(&mut self, first: usize, keys: Tensor<3>, values: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let [heads, count, columns] = keys.dims();
        let (end, device) = (first + count, keys.device());
        let room = end.next_power_of_two().max(SMALLEST);
        let (old_keys, old_values) = match self.kept.take() {
            Some((keys, values)) => (Some(keys), Some(values)),
            None => (None, None),
        };
        let put = |old: Option<Tensor<3>>, new: Tensor<3>| {
            let all = with_room(old, [heads, room, columns], first, &device);
            all.slice_assign([0..heads, first..end, 0..columns], new)
        };
        let (keys, values) = (put(old_keys, keys), put(old_values, values));
        self.kept = Some((keys.clone(), values.clone()));
        (keys.narrow(1, 0, end), values.narrow(1, 0, end))
    }
}

/// A buffer of that size that holds the first `kept` positions of `old`.
fn with_room(old: Option<Tensor<3>>, size: [usize; 3], kept: usize, device: &Device) -> Tensor<3> {
    match old {
        Some(old) if old.dims()[1] >= size[1] => old,
        Some(old) => {
            let old = old.narrow(1, 0, kept);
            Tensor::zeros(size, device).slice_assign([0..size[0], 0..kept, 0..size[2]], old)
        }
        None => Tensor::zeros(size, device),
    }
}
