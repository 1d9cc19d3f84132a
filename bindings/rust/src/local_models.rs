//! Models in files, opened by name.

use nootropic_core::ErrorKind;
use nootropic_models::{Device, FoundModel, LocalModel, OpenDevice};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model_files::{failed, library};
use crate::{Call, Error, Result, places};

/// Opens a model: a file, a folder of safetensors, or a name that `nootropic models list` shows.
///
/// ```no_run
/// use nootropic::core::{GenerateRequest, Model};
///
/// # fn main() -> nootropic::Result<()> {
/// let model = nootropic::open_model("qwen2.5-coder-0.5b", nootropic::Device::Auto)?;
/// let answer = model.generate(GenerateRequest::text("fn main() {"));
/// # Ok(()) }
/// ```
///
/// # Errors
/// Of kind `NotFound` for a name that is none, with the names it may have been; as [`LocalModel::open`].
pub fn open_model(name: &str, device: Device) -> Result<LocalModel> {
    let place = Place { device, threads: None };
    let found = library().find(name).map_err(failed)?;
    LocalModel::open_on(&found.path, &place.open()?).map_err(failed)
}

/// Where a model is to run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Place {
    pub(crate) device: Device,
    pub(crate) threads: Option<u32>,
}

impl Place {
    pub(crate) fn open(&self) -> Result<OpenDevice> {
        let device = match (self.device, self.threads) {
            (Device::Cpu, Some(threads)) => OpenDevice::cpu_with_threads(threads as usize),
            (_, Some(_)) => {
                let problem = "threads are those of the CPU: say `--device cpu` too".into();
                return Err(Error::Input { what: "threads", problem });
            }
            (device, None) => device.open(places::data_dir().as_deref()),
        };
        device.map_err(failed)
    }
}

/// The model that is named; without a name, the only one there is.
pub(crate) fn find(name: Option<&str>) -> Result<FoundModel> {
    if let Some(name) = name {
        return library().find(name).map_err(failed);
    }
    let mut models = library().list();
    if models.len() == 1 {
        return Ok(models.remove(0));
    }
    let names: Vec<String> = models.into_iter().map(|model| model.name).take(SHOWN).collect();
    let problem = match names.is_empty() {
        true => "there is no model file on this machine: name one by its path".into(),
        false => format!("there are several, e.g. {}: say which with `--model`", names.join(", ")),
    };
    Err(Error::Input { what: "model", problem })
}

/// How many names a message shows.
const SHOWN: usize = 5;

/// Opens a model, and tells what is not as one would expect.
pub(crate) fn open(found: &FoundModel, place: Place, call: &Call) -> Result<LocalModel> {
    let model = LocalModel::open_on(&found.path, &place.open()?).map_err(failed)?;
    for notice in model.notices() {
        call.warn("model", ErrorKind::Unsupported, notice.clone(), None);
    }
    Ok(model)
}
