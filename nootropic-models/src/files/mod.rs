//! What all model files need: opening and mapping, faults and where they are, a budget, tensors.

mod budget;
mod cursor;
mod fault;
mod map;
mod new_file;
mod open;
mod tensor;

pub use budget::Budget;
pub(crate) use cursor::Cursor;
pub(crate) use fault::{At, Fault};
pub(crate) use map::Map;
pub(crate) use new_file::NewFile;
use open::open_regular;
pub(crate) use open::read_small;
pub use tensor::{Dims, Tensor};
