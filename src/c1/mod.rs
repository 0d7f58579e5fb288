//! Working for C1: its credentials and tokens, its service, and the loop that asks it for tasks and does them.
//!
//! Must not know a SaaS or Kubernetes: what is read, and how, is behind [`Reader`].

mod asset;
mod channel;
mod code;
mod credentials;
mod error;
mod finish;
mod hand;
mod heartbeat;
mod hello;
mod kind;
mod pace;
mod poll;
mod service;
mod sync_full;
mod token;
mod upload;
mod view;

pub use asset::{Asset, Reader, Refused, SyncTask};
pub use channel::Channels;
pub use credentials::{ClientId, Credentials, CredentialsError};
pub use error::C1Error;
pub use hello::About;
pub use pace::Pace;
pub use poll::{Ended, Work, work};
pub use service::{Permit, Service};
pub use view::{LastTask, LastUpload, TaskEnd, Trouble, View};
