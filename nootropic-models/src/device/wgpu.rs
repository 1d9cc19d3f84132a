//! The adapter of this process.

use std::panic::catch_unwind;
use std::sync::OnceLock;

use burn::tensor::wgpu::wgpu::DeviceType;

/// A graphics processor with its driver.
#[derive(Debug)]
pub(super) struct Adapter {
    pub(super) burn: burn::tensor::Device,
    /// For messages.
    pub(super) name: String,
    /// Whether it is imitated by the CPU.
    pub(super) software: bool,
    /// Adapter, interface and driver with its version: another driver is another adapter.
    pub(super) driver: String,
    /// To lose it on purpose.
    #[cfg(test)]
    pub(super) device: burn::tensor::wgpu::wgpu::Device,
}

/// The adapter that wgpu prefers, opened once for the process; or why there is none.
pub(super) fn adapter() -> Result<&'static Adapter, String> {
    static ADAPTER: OnceLock<Result<Adapter, String>> = OnceLock::new();
    // Loading a driver may panic below us.
    let open = || catch_unwind(open).unwrap_or_else(|_| Err("the driver failed while it was loaded".into()));
    ADAPTER.get_or_init(open).as_ref().map_err(Clone::clone)
}

fn open() -> Result<Adapter, String> {
    let options = burn::tensor::Device::wgpu_options();
    // The other interface there is OpenGL, for old hardware: nothing here is proved on it.
    #[cfg(target_os = "linux")]
    let options = options.graphics_api(burn::tensor::wgpu::WgpuBackend::Vulkan);
    let (burn, setup) = options.init_with_setup().map_err(|error| error.to_string())?;
    let info = setup.adapter.get_info();
    Ok(Adapter {
        burn,
        software: info.device_type == DeviceType::Cpu,
        driver: format!("{} | {:?} | {} | {}", info.name, info.backend, info.driver, info.driver_info),
        name: info.name,
        #[cfg(test)]
        device: setup.device,
    })
}
