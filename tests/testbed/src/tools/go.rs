//! What is built from Go modules. Sources and checksums are in this crate; Go's own build cache is shared.

use std::path::{Path, PathBuf};

use super::{KUBERNETES, digest, need, write_all};
use crate::cache::Cache;
use crate::error::{Context, Result};
use crate::run;

const HELM: &str = "3.22.0";
const GO_HINT: &str = "install Go 1.26 or later";

const KUBE_MOD: &str = include_str!("../../kube/go.mod");
const KUBE_SUM: &str = include_str!("../../kube/go.sum");
const KUBE_MAIN: &str = include_str!("../../kube/main.go");
const NODE: [(&str, &str); 4] = [
    ("node/main.go", include_str!("../../kube/node/main.go")),
    ("node/devices.go", include_str!("../../kube/node/devices.go")),
    ("node/times.go", include_str!("../../kube/node/times.go")),
    ("node/record.go", include_str!("../../kube/node/record.go")),
];
const GVISOR_MOD: &str = include_str!("../../gvisor/go.mod");
const GVISOR_SUM: &str = include_str!("../../gvisor/go.sum");
const GVISOR_TOOLS: &str = include_str!("../../gvisor/tools.go");
const GVISOR_OOM: &str = include_str!("../../gvisor/sys/oom_linux.go");

/// All components of Kubernetes and kubectl, in one program: they share most of their code.
pub(super) fn kube(cache: &Cache) -> Result<PathBuf> {
    let sources = digest(&[KUBE_MOD.as_bytes(), KUBE_SUM.as_bytes(), KUBE_MAIN.as_bytes()]);
    cache.get_or_build(&format!("kube-{KUBERNETES}-{sources}"), |out| {
        build_in(out, &[("go.mod", KUBE_MOD), ("go.sum", KUBE_SUM), ("main.go", KUBE_MAIN)], |source| {
            let minor = KUBERNETES.split('.').nth(1).unwrap_or_default();
            let base = "k8s.io/component-base/version";
            let flags = format!(
                "-s -w -X {base}.gitVersion=v{KUBERNETES} -X {base}.gitMajor=1 -X {base}.gitMinor={minor} \
                 -X k8s.io/client-go/pkg/version.gitVersion=v{KUBERNETES}"
            );
            go(source, &["build", "-trimpath", "-ldflags", &flags, "-o", &text(&out.join("kube")), "."])?;
            std::os::unix::fs::symlink("kube", out.join("kubectl")).context(|| "linking kubectl".into())
        })
    })
}

/// The device plugin and the container clock, of the same Go module as Kubernetes.
pub(super) fn node(cache: &Cache) -> Result<PathBuf> {
    let mut sources = vec![KUBE_MOD.as_bytes(), KUBE_SUM.as_bytes()];
    sources.extend(NODE.iter().map(|(_, source)| source.as_bytes()));
    cache.get_or_build(&format!("node-{KUBERNETES}-{}", digest(&sources)), |out| {
        let mut files = vec![("go.mod", KUBE_MOD), ("go.sum", KUBE_SUM)];
        files.extend(NODE);
        build_in(out, &files, |source| {
            go(source, &["build", "-trimpath", "-ldflags", "-s -w", "-o", &text(&out.join("node")), "./node"])
        })
    })
}

/// gVisor's runtime and containerd shim. The shim's one call that needs `CAP_SYS_RESOURCE` is replaced in a vendored copy.
pub(super) fn gvisor(cache: &Cache) -> Result<PathBuf> {
    let sources = [GVISOR_MOD, GVISOR_SUM, GVISOR_TOOLS, GVISOR_OOM].map(str::as_bytes);
    cache.get_or_build(&format!("gvisor-{}", digest(&sources)), |out| {
        let files = [("go.mod", GVISOR_MOD), ("go.sum", GVISOR_SUM), ("tools.go", GVISOR_TOOLS)];
        build_in(out, &files, |source| {
            go(source, &["mod", "vendor"])?;
            write_all(source, &[("vendor/github.com/containerd/containerd/sys/oom_linux.go", GVISOR_OOM)])?;
            for (package, program) in [("runsc", "runsc"), ("shim", "containerd-shim-runsc-v1")] {
                let package = format!("gvisor.dev/gvisor/{package}");
                let target = text(&out.join(program));
                go(source, &["build", "-mod=vendor", "-trimpath", "-ldflags", "-s -w", "-o", &target, &package])?;
            }
            Ok(())
        })
    })
}

/// Helm, whose module needs nothing around it.
pub(super) fn helm(cache: &Cache) -> Result<PathBuf> {
    cache.get_or_build(&format!("helm-{HELM}"), |out| {
        need("go", GO_HINT)?;
        let module = format!("helm.sh/helm/v3/cmd/helm@v{HELM}");
        let mut command = go_command(out, &["install", "-trimpath", "-ldflags", "-s -w", &module]);
        run::output(command.env("GOBIN", out)).map(drop)
    })
}

/// Writes `files` beside what will be kept, builds, and removes them.
fn build_in(out: &Path, files: &[(&str, &str)], build: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    need("go", GO_HINT)?;
    let source = out.join("src");
    write_all(&source, files)?;
    build(&source)?;
    std::fs::remove_dir_all(&source).context(|| format!("removing {}", source.display()))
}

fn go(dir: &Path, arguments: &[&str]) -> Result<()> {
    run::output(&mut go_command(dir, arguments)).map(drop)
}

fn go_command(dir: &Path, arguments: &[&str]) -> std::process::Command {
    let mut command = run::command("go", arguments);
    command.current_dir(dir).env("CGO_ENABLED", "0").env("GOWORK", "off");
    command
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
