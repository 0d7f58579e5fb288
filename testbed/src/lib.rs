//! Real parts for tests and the demo: a Kubernetes control plane (etcd and kube-apiserver, on
//! request kube-controller-manager) on loopback ports, a [`node`] for it that runs pods, an S3 server, the tools that `tools/build` builds, and
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

mod audit;
mod components;
mod control_plane;
mod error;
mod home;
mod kubeconfig;
pub mod node;
mod pki;
pub mod probe;
mod process;
mod s3;
pub mod tools;

pub use audit::{Asked, AuditLog};
pub use control_plane::{Builder, ControlPlane};
pub use error::{Error, Result};
pub use process::Managed;
pub use s3::{S3Options, S3Server};
