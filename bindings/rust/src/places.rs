//! Where the user's own files are.

use std::path::PathBuf;

/// The user's configuration file: `$NOOTROPIC_CONFIG`, else `nootropic/config.toml` in the configuration folder.
pub fn config_file() -> Option<PathBuf> {
    if let Some(file) = std::env::var_os("NOOTROPIC_CONFIG") {
        return (!file.is_empty()).then(|| file.into());
    }
    base("XDG_CONFIG_HOME", ".config", "APPDATA").map(|dir| dir.join("nootropic").join("config.toml"))
}

/// The folder of what we keep for the user: models, and indexes of repositories that cannot be written.
pub fn data_dir() -> Option<PathBuf> {
    base("XDG_DATA_HOME", ".local/share", "LOCALAPPDATA").map(|dir| dir.join("nootropic"))
}

/// The folder of our own models: `$NOOTROPIC_MODELS`, an absolute path, else `models` in [`data_dir`].
pub fn models_dir() -> Option<PathBuf> {
    let named = std::env::var_os("NOOTROPIC_MODELS").map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| Some(data_dir()?.join("models")))
}

/// Source: XDG Base Directory Specification 0.8, which says that relative paths count as unset.
fn base(variable: &str, below_home: &str, windows: &str) -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(windows) {
        return absolute(windows);
    }
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)))
}
