//! How a connector introduces itself: what it reads, what it can do, and the machine it runs on.

use std::collections::BTreeMap;
use std::fs;

use rustix::system::uname;

use crate::access::ResourceType;
use crate::proto::c1::connector::v2;
use crate::proto::c1::connectorapi::baton::v1 as api;
use crate::snapshot;

use api::baton_service_hello_request::{BuildInfo, OsInfo};

/// The most characters of a text about the machine.
const CHARACTERS: usize = 256;

/// What C1 is told of a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The SaaS, as people call it.
    pub display_name: &'static str,
    /// What is read of it, as one sentence.
    pub description: &'static str,
    /// The types of resource that are read.
    pub resource_types: &'static [ResourceType],
}

/// The greeting that answers the hello task `task_id`, or none where that is empty.
pub(super) fn greeting(host_id: String, task_id: &str, about: &About) -> api::BatonServiceHelloRequest {
    api::BatonServiceHelloRequest {
        host_id,
        task_id: task_id.to_owned(),
        build_info: Some(build_info()),
        os_info: Some(os_info()),
        connector_metadata: Some(metadata(about)),
        annotations: Vec::new(),
    }
}

fn metadata(about: &About) -> v2::ConnectorMetadata {
    let reads = vec![v2::Capability::Sync.into()];
    let of_type = |it| v2::ResourceTypeCapability {
        resource_type: Some(snapshot::resource_type(it)),
        capabilities: reads.clone(),
        permissions: Some(v2::CapabilityPermissions::default()),
        ..Default::default()
    };
    v2::ConnectorMetadata {
        display_name: about.display_name.to_owned(),
        description: about.description.to_owned(),
        capabilities: Some(v2::ConnectorCapabilities {
            resource_type_capabilities: about.resource_types.iter().map(of_type).collect(),
            connector_capabilities: reads.clone(),
        }),
        ..Default::default()
    }
}

fn build_info() -> BuildInfo {
    BuildInfo {
        lang_version: concat!("rust ", env!("CARGO_PKG_RUST_VERSION")).to_owned(),
        package: env!("CARGO_PKG_REPOSITORY").trim_start_matches("https://").to_owned(),
        package_version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn os_info() -> OsInfo {
    let system = uname();
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let release = release_fields(&release);
    let field = |name| release.get(name).copied().unwrap_or_default();
    let id = filled(field("ID"), "linux");
    OsInfo {
        hostname: filled(&system.nodename().to_string_lossy(), "unknown"),
        os: std::env::consts::OS.to_owned(),
        platform_family: filled(field("ID_LIKE"), &id),
        platform: id,
        platform_version: filled(field("VERSION_ID"), "unknown"),
        kernel_version: filled(&system.release().to_string_lossy(), "unknown"),
        kernel_arch: filled(&system.machine().to_string_lossy(), "unknown"),
        virtualization_system: "none".to_owned(),
    }
}

/// `text`, or what stands for it: older servers refuse empty texts.
fn filled(text: &str, otherwise: &str) -> String {
    let text = if text.trim().is_empty() { otherwise } else { text };
    text.chars().take(CHARACTERS).collect()
}

/// The lines `NAME="value"` of os-release(5).
fn release_fields(text: &str) -> BTreeMap<&str, &str> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name, value.trim_matches(['"', '\'']))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Trait;

    const USER: ResourceType = ResourceType {
        id: "user",
        display_name: "User",
        plural: "users",
        traits: &[Trait::User],
        without_entitlements: true,
    };

    #[test]
    fn a_greeting_leaves_nothing_empty_and_promises_to_read_and_no_more() {
        let about = About { display_name: "Scalr", description: "Reads.", resource_types: &[USER] };
        let greeting = greeting("host".to_owned(), "", &about);
        let (build, os) = (greeting.build_info.unwrap(), greeting.os_info.unwrap());
        let texts = [
            build.lang_version,
            build.package,
            build.package_version,
            os.hostname,
            os.os,
            os.platform,
            os.platform_version,
            os.platform_family,
            os.kernel_version,
            os.kernel_arch,
            os.virtualization_system,
        ];
        assert!(texts.iter().all(|text| !text.is_empty() && text.len() <= CHARACTERS), "{texts:?}");
        let capabilities = greeting.connector_metadata.unwrap().capabilities.unwrap();
        let sync = vec![i32::from(v2::Capability::Sync)];
        assert_eq!(capabilities.connector_capabilities, sync);
        assert_eq!(capabilities.resource_type_capabilities[0].capabilities, sync);
    }

    #[test]
    fn the_system_is_called_as_os_release_says() {
        let fields = release_fields("ID=debian\nVERSION_ID=\"12\"\n# comment\nEMPTY=\n");
        assert_eq!((fields["ID"], fields["VERSION_ID"], fields["EMPTY"]), ("debian", "12", ""));
        assert_eq!(filled(" ", "unknown"), "unknown");
    }
}
