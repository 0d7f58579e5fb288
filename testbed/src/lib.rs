//! Real parts for tests and the demo: a Kubernetes control plane (etcd and kube-apiserver, on
//! request kube-controller-manager) on loopback ports, the tools that `tools/build` builds, and
//! child processes that never outlive the process that started them.
//!
//! It knows nothing about connectors (the program `demo`, which is made with it, does), and is never linked into the
//! operator. Linux only.
//!
//! ```no_run
//! # async fn example() -> testbed::Result<()> {
//! let control_plane = testbed::ControlPlane::shared().await?;
//! let applied = control_plane.kubectl(&["apply", "-f", "-"], Some("kind: ...")).await?;
//! assert!(applied.status.success());
//! # Ok(())
//! # }
//! ```

mod components;
mod control_plane;
mod error;
mod home;
mod kubeconfig;
mod pki;
pub mod probe;
mod process;
pub mod tools;

pub use control_plane::{Builder, ControlPlane};
pub use error::{Error, Result};
pub use process::Managed;
