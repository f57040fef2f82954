//! Things of somebody else's that look much like the testbed's, which `down` must leave alone.

use std::process::{Child, Command};

const LINK: &str = "eai-other";

/// A process in namespaces of its own, and a link.
pub struct Bystander(Child);

impl Bystander {
    pub fn start() -> Self {
        let _ = Command::new("ip").args(["link", "delete", LINK]).output(); // of a run that failed
        assert!(Command::new("ip").args(["link", "add", LINK, "type", "bridge"]).status().unwrap().success());
        let child = Command::new("unshare").args(["--net", "--mount", "sleep", "1000"]).spawn().unwrap();
        // Into its namespaces before anything is counted.
        std::thread::sleep(std::time::Duration::from_millis(300));
        Self(child)
    }

    pub fn assert_untouched(mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "the bystander's process was ended");
        assert!(std::path::Path::new("/sys/class/net").join(LINK).exists(), "the bystander's link was removed");
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = Command::new("ip").args(["link", "delete", LINK]).status();
    }
}
