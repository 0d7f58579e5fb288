//! `crds`: the CustomResourceDefinitions, made from the types.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::kinds;

use super::{Failed, report};

/// Prints the CustomResourceDefinitions
#[derive(Debug, Args)]
pub(super) struct Crds {
    /// Write one file a kind here, and JSON schemas for editors and kubeconform, instead of printing.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Crds {
    pub(super) fn execute(self) -> Result<(), Failed> {
        match self.out {
            None => kinds::crds().iter().try_for_each(|crd| report::text(&document(crd)?)),
            Some(folder) => write(&folder),
        }
    }
}

fn write(folder: &Path) -> Result<(), Failed> {
    let schemas = folder.join("schemas");
    fs::create_dir_all(&schemas)?;
    for crd in kinds::crds() {
        let name = format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural);
        fs::write(folder.join(name), document(&crd)?)?;
    }
    for (name, schema) in kinds::json_schemas() {
        fs::write(schemas.join(name), format!("{}\n", serde_json::to_string_pretty(&schema)?))?;
    }
    Ok(())
}

fn document(crd: &impl serde::Serialize) -> Result<String, Failed> {
    Ok(format!("---\n{}", serde_yaml::to_string(crd)?))
}
