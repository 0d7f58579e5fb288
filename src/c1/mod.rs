//! Working for C1. Must not know a SaaS or Kubernetes.

mod code;
