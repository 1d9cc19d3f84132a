//! Where models run.

mod self_test;
#[cfg(test)]
mod tests;
mod wgpu;

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cpu::Pool;
use crate::error::printable;
use crate::{Error, Result};

/// Where to run a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Device {
    /// A graphics processor that computes what the CPU computes and generates faster, if there is one; else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A graphics processor, through Vulkan, Metal, DirectX or what else there is; if need be one that is imitated in software.
    Wgpu,
}

const NAMES: [(Device, &str); 3] = [(Device::Auto, "auto"), (Device::Cpu, "cpu"), (Device::Wgpu, "wgpu")];

impl Device {
    /// Opens the device.
    ///
    /// Drivers have bugs: before a graphics processor is used, it computes a small model, and the result is compared with the
    /// CPU's, and so is the time. `remembered` is a folder where the outcome is kept, so that each driver is tested once.
    ///
    /// # Errors
    /// For [`Wgpu`](Self::Wgpu), [`Error::NoDevice`] if there is no adapter, or if it fails the test. [`Auto`](Self::Auto) takes
    /// the CPU then, and [says why](OpenDevice::notice). [`Error::Io`] if a thread cannot be started.
    pub fn open(self, remembered: Option<&Path>) -> Result<OpenDevice> {
        match self {
            Self::Cpu => OpenDevice::cpu(None),
            Self::Wgpu => {
                let adapter = wgpu::adapter().map_err(no_wgpu)?;
                self_test::passes(adapter, remembered).map_err(no_wgpu)?;
                Ok(OpenDevice::wgpu(adapter))
            }
            Self::Auto => match wgpu::adapter() {
                Err(_) => OpenDevice::cpu(None), // most machines have none: nothing to tell
                Ok(adapter) if adapter.software => OpenDevice::cpu(None),
                Ok(adapter) => match self_test::passes(adapter, remembered) {
                    Ok(outcome) if outcome.is_faster() => Ok(OpenDevice::wgpu(adapter)),
                    Ok(_) => OpenDevice::cpu(None),
                    Err(problem) => OpenDevice::cpu(Some(problem)),
                },
            },
        }
    }
}

fn no_wgpu(problem: String) -> Error {
    Error::NoDevice { device: "wgpu", problem }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|row| row.0 == *self).map_or("", |row| row.1))
    }
}

impl FromStr for Device {
    type Err = Error;

    /// Reads `auto`, `cpu` or `wgpu`.
    fn from_str(name: &str) -> Result<Self> {
        NAMES.iter().find(|row| row.1 == name).map(|row| row.0).ok_or_else(|| Error::Invalid {
            what: "device".into(),
            problem: format!("{} is none of auto, cpu, wgpu", printable(name)),
        })
    }
}

/// A device that is open.
#[derive(Debug, Clone)]
pub struct OpenDevice {
    machine: Machine,
    name: String,
    notice: Option<String>,
}

/// What computes.
#[derive(Debug, Clone)]
pub(crate) enum Machine {
    /// Our own operations, on these threads.
    Cpu(Arc<Pool>),
    /// Burn.
    Burn(burn::tensor::Device),
}

impl OpenDevice {
    fn cpu(notice: Option<String>) -> Result<Self> {
        Ok(Self { notice, ..Self::on_threads(Pool::with_all_processors()?) })
    }

    /// The CPU, computing with so many threads: at least one.
    ///
    /// # Errors
    /// [`Error::Io`] if a thread cannot be started.
    pub fn cpu_with_threads(threads: usize) -> Result<Self> {
        Ok(Self::on_threads(Pool::new(threads.max(1))?))
    }

    fn on_threads(pool: Pool) -> Self {
        Self { machine: Machine::Cpu(Arc::new(pool)), name: "the CPU".into(), notice: None }
    }

    /// Burn on the CPU: what other devices are compared with.
    pub(crate) fn reference() -> Self {
        Self { machine: Machine::Burn(burn::tensor::Device::flex()), name: "Burn on the CPU".into(), notice: None }
    }

    fn wgpu(adapter: &wgpu::Adapter) -> Self {
        Self { machine: Machine::Burn(adapter.burn.clone()), name: adapter.name.clone(), notice: None }
    }

    /// Loses the adapter of this process for good, as when its driver crashes.
    #[cfg(test)]
    pub(crate) fn lose_wgpu() {
        if let Ok(adapter) = wgpu::adapter() {
            adapter.device.destroy();
        }
    }

    /// What it is called, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why it is not the device one would expect, where that is so: for the user to read.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// With how many threads it computes, where it does so with threads.
    pub fn threads(&self) -> Option<usize> {
        match &self.machine {
            Machine::Cpu(pool) => Some(pool.threads()),
            Machine::Burn(_) => None,
        }
    }

    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }
}
