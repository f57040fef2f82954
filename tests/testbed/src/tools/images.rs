//! The two images that every node starts with, assembled without a Docker engine.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::digest;
use crate::cache::Cache;
use crate::error::{Context, Result};
use crate::run;

const PAUSE: &str = "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n";
const BUSYBOX: &str = "/bin/busybox";

/// `pause.tar` and `busybox.tar`, OCI archives of eai.local/pause:1 and eai.local/busybox:1.
pub(super) fn images(cache: &Cache) -> Result<PathBuf> {
    let busybox = fs::read(BUSYBOX).context(|| format!("reading {BUSYBOX}"))?;
    cache.get_or_build(&format!("images-{}", digest(&[PAUSE.as_bytes(), &busybox])), |out| {
        let work = out.join("work");
        for dir in ["pause", "busybox/bin", "busybox/tmp", "busybox/etc"] {
            fs::create_dir_all(work.join(dir)).context(|| format!("creating {dir}"))?;
        }
        run::output(run::command("umoci", &["init", "--layout", "oci"]).current_dir(&work))?;
        pause(&work)?;
        image(&work, "pause", &["--config.entrypoint", "/pause"], out)?;
        fill_busybox(&work.join("busybox"))?;
        image(&work, "busybox", &["--config.cmd", "sh", "--config.env", "PATH=/bin"], out)?;
        fs::remove_dir_all(&work).context(|| "removing the work folder".into())
    })
}

/// A program that does nothing, for the sandbox of a pod.
fn pause(work: &Path) -> Result<()> {
    fs::write(work.join("pause.c"), PAUSE).context(|| "writing pause.c".into())?;
    let arguments = ["-static", "-Os", "-s", "-o", "pause/pause", "pause.c"];
    run::output(run::command("cc", &arguments).current_dir(work)).map(drop)
}

fn fill_busybox(root: &Path) -> Result<()> {
    fs::copy(BUSYBOX, root.join("bin/busybox")).context(|| format!("copying {BUSYBOX}"))?;
    for applet in run::sh(BUSYBOX, &["--list"])?.lines().filter(|&applet| applet != "busybox") {
        symlink("busybox", root.join("bin").join(applet)).context(|| format!("linking {applet}"))?;
    }
    let users = "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n";
    fs::write(root.join("etc/passwd"), users).context(|| "writing passwd".into())
}

/// Packs the folder `name` as an image of one layer into `out/name.tar`.
fn image(work: &Path, name: &str, config: &[&str], out: &Path) -> Result<()> {
    let umoci = |arguments: &[&str]| run::output(run::command("umoci", arguments).current_dir(work)).map(drop);
    let reference = format!("oci:{name}");
    umoci(&["new", "--image", &reference])?;
    umoci(&["insert", "--image", &reference, name, "/"])?;
    umoci(&[&["config", "--image", &reference], config].concat())?;
    let target = format!("oci-archive:{}:eai.local/{name}:1", out.join(format!("{name}.tar")).display());
    let arguments = ["copy", "--quiet", "--insecure-policy", &format!("oci:oci:{name}"), &target];
    run::output(run::command("skopeo", &arguments).current_dir(work)).map(drop)
}
