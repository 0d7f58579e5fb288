//! Owns the bridge that pods are attached to. The node, the API server and what pods are to reach have addresses on it.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{refused, succeeded};
use crate::error::{Error, Result};

const NAME: &str = "pods0";
const NODE: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
/// Of which the first few are not for pods.
const SUBNET: &str = "10.88.0.0/24";
const FIRST_POD: &str = "10.88.0.20";

/// The bridge, in a network namespace that has nothing else.
#[derive(Debug)]
pub struct Bridge(());

impl Bridge {
    /// Makes it.
    ///
    /// # Errors
    /// [`Error::Io`] when this is a network namespace that others use, or `ip` fails.
    pub fn create() -> Result<Self> {
        let routes =
            fs::read_to_string("/proc/self/net/route").map_err(Error::io("reading the network's routes"))?;
        // After its heading, a namespace that was just made has none.
        if routes.lines().count() > 1 {
            return Err(refused("making a bridge", "this network is in use; run tools/e2e, which makes one"));
        }
        ip(&["link", "set", "lo", "up"])?;
        ip(&["link", "add", NAME, "type", "bridge"])?;
        let bridge = Self(());
        bridge.add(NODE)?;
        ip(&["link", "set", NAME, "up"])?;
        Ok(bridge)
    }

    /// The node's address.
    pub fn address(&self) -> Ipv4Addr {
        NODE
    }

    /// One more address, from 2 to 19, for something that pods are to reach.
    ///
    /// # Errors
    /// [`Error::Io`] when `ip` fails.
    pub fn another_address(&self, last: u8) -> Result<Ipv4Addr> {
        let [a, b, c, _] = NODE.octets();
        let address = Ipv4Addr::new(a, b, c, last);
        self.add(address)?;
        Ok(address)
    }

    fn add(&self, address: Ipv4Addr) -> Result<()> {
        ip(&["address", "add", &format!("{address}/24"), "dev", NAME])
    }

    /// Writes below `folder` how pods are attached (the Container Network Interface's configuration).
    pub(super) fn attach_pods(&self, folder: &Path) -> Result<()> {
        let configuration = json!({
            "cniVersion": "1.0.0",
            "name": "pods",
            "plugins": [{
                "type": "bridge", "bridge": NAME, "isGateway": true, "ipMasq": false,
                "ipam": {
                    "type": "host-local",
                    "dataDir": folder.join("addresses"),
                    "ranges": [[{ "subnet": SUBNET, "rangeStart": FIRST_POD, "gateway": NODE }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                },
            }],
        });
        let path = folder.join("cni/pods.conflist");
        let written = fs::create_dir_all(folder.join("cni"))
            .and_then(|()| fs::write(&path, format!("{configuration:#}\n")));
        written.map_err(Error::io(format!("writing {}", path.display())))
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    let doing = format!("running ip {}", arguments.join(" "));
    let output = Command::new("ip").args(arguments).output().map_err(Error::io(doing.as_str()))?;
    succeeded(&doing, &output).map(drop)
}
