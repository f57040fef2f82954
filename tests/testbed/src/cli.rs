//! The command line.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use eai_testbed::{
    BLOCK_SECONDS, CHAIN_RPC, Cache, ClusterName, Dirs, Error, Options, REGISTRY, Result, Service, State, Testbed,
    Tool, Tools, install_packages,
};
use serde_json::json;

/// Real Kubernetes clusters, an image registry and a chain on this machine. Simulated accelerators: no GPU or FPGA is
/// used.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Builds and fetches what the cache lacks; with names, only these (kube, node, gvisor, helm, foundry, images).
    Build {
        /// Which tools.
        tools: Vec<Tool>,
        /// Installs missing Debian packages first (as root on Debian or Ubuntu).
        #[arg(long)]
        install: bool,
    },
    /// Prints where the programs are, building what is missing.
    Tools {
        /// How to print.
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
    },
    /// Brings the testbed up.
    Up {
        /// Only these clusters.
        #[arg(long, value_delimiter = ',', default_value = "hub,cloud,home")]
        clusters: Vec<ClusterName>,
    },
    /// Ends and removes everything, also after a crash.
    Down,
    /// Says which services run.
    Status {
        /// How to print.
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
    },
    /// Prints a cluster's administrator kubeconfig. `home`'s works only inside: use `exec`.
    Kubeconfig {
        /// hub, cloud or home.
        cluster: ClusterName,
    },
    /// Prints a service's log.
    Logs {
        /// hub, cloud, home, chain or registry.
        name: String,
        /// etcd, apiserver, controller-manager, scheduler, containerd, kubelet, proxy, devices or recorder.
        component: Option<String>,
    },
    /// Runs a command inside a cluster's network, with its kubeconfig, kubectl and helm.
    Exec {
        /// hub, cloud or home.
        cluster: ClusterName,
        /// Also with the node's mounts: its containerd, kubelet and volumes.
        #[arg(long)]
        node: bool,
        /// The command.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Copies an OCI archive or layout to the registry and prints its reference by digest.
    Push {
        /// An OCI archive (a file) or layout (a folder with one image).
        source: PathBuf,
        /// The image's name in the registry.
        name: String,
        /// Its tag.
        #[arg(default_value = "latest")]
        tag: String,
    },
    /// Prints when every container of a cluster ran, as containerd says, as JSON.
    Times {
        /// hub, cloud or home.
        cluster: ClusterName,
    },
    /// Cuts a cluster off from all others.
    Cut {
        /// hub, cloud or home.
        cluster: ClusterName,
    },
    /// Joins a cluster that was cut off again.
    Mend {
        /// hub, cloud or home.
        cluster: ClusterName,
    },
    /// Saves all objects of a cluster in a folder.
    Save {
        /// hub, cloud or home.
        cluster: ClusterName,
        /// The folder, which must not exist.
        to: PathBuf,
    },
    /// Puts back what was saved of a cluster, as after a restore from a backup.
    Restore {
        /// hub, cloud or home.
        cluster: ClusterName,
        /// The folder.
        from: PathBuf,
    },
    /// Stops a service's process where it stands.
    Stop(ServiceArgs),
    /// Lets a stopped service go on.
    Cont(ServiceArgs),
    /// Kills a service.
    Kill(ServiceArgs),
    /// Starts a service that has ended.
    Start(ServiceArgs),
    /// Ends a service in order and starts it again.
    Restart(ServiceArgs),
}

#[derive(Debug, clap::Args)]
struct ServiceArgs {
    /// hub, cloud, home, chain or registry.
    name: String,
    /// etcd, apiserver, controller-manager, scheduler, containerd, kubelet, proxy, devices or recorder.
    component: Option<String>,
}

impl ServiceArgs {
    fn service(&self) -> Result<Service> {
        Service::named(&self.name, self.component.as_deref())
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Does what was asked for. The code is that of the command for `exec`, else success.
pub fn run(cli: Cli) -> Result<ExitCode> {
    let dirs = Dirs::from_env();
    let attach = || Testbed::attach(&dirs);
    match cli.command {
        Command::Build { tools, install } => build(&tools, install)?,
        Command::Tools { output } => print_tools(output)?,
        Command::Up { clusters } => {
            let testbed = Testbed::up(&Options { clusters, verbose: true, ..Options::default() })?;
            print_access(&testbed);
        }
        Command::Down => Testbed::remove(&dirs, true)?,
        Command::Status { output } => return status(&attach()?, output),
        Command::Kubeconfig { cluster } => print(&read(&attach()?.cluster(cluster)?.kubeconfig())?)?,
        // Without `attach`: the logs of an `up` that failed are wanted most.
        Command::Logs { name, component } => {
            print(&read(&dirs.log(Service::named(&name, component.as_deref())?))?)?;
        }
        Command::Exec { cluster, node, command } => return exec(&attach()?, cluster, node, &command),
        Command::Push { source, name, tag } => println!("{}", attach()?.push_image(&source, &name, &tag)?),
        Command::Times { cluster } => print(&format!("{}\n", json!(attach()?.container_runs(cluster)?)))?,
        Command::Cut { cluster } => attach()?.cut(cluster)?,
        Command::Mend { cluster } => attach()?.mend(cluster)?,
        Command::Save { cluster, to } => attach()?.save_etcd(cluster, &to)?,
        Command::Restore { cluster, from } => attach()?.restore_etcd(cluster, &from)?,
        Command::Stop(service) => attach()?.stop(service.service()?)?,
        Command::Cont(service) => attach()?.cont(service.service()?)?,
        Command::Kill(service) => attach()?.kill(service.service()?)?,
        Command::Start(service) => attach()?.start(service.service()?)?,
        Command::Restart(service) => attach()?.restart(service.service()?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn build(tools: &[Tool], install: bool) -> Result<()> {
    let progress = |what: &str| eprintln!("{what}");
    if install {
        install_packages(&progress)?;
    }
    let cache = Cache::from_env();
    if tools.is_empty() {
        return Tools::ensure(&cache, &progress).map(drop);
    }
    tools.iter().try_for_each(|tool| tool.ensure(&cache).map(|dir| println!("{}", dir.display())))
}

fn print_tools(output: Format) -> Result<()> {
    let tools = json!(Tools::ensure(&Cache::from_env(), &|_| {})?);
    match output {
        Format::Json => println!("{tools}"),
        Format::Table => {
            for (name, path) in tools.as_object().into_iter().flatten() {
                println!("{name:14} {}", path.as_str().unwrap_or_default());
            }
        }
    }
    Ok(())
}

fn print_access(testbed: &Testbed) {
    for &cluster in testbed.clusters() {
        println!("{cluster:6} {}   eai-testbed exec {cluster} -- kubectl get pods -A", cluster.server());
    }
    println!("images {REGISTRY}   eai-testbed push ARCHIVE NAME");
    println!("chain  {CHAIN_RPC}   a block every {BLOCK_SECONDS} s");
    println!("GPUs and FPGAs on the nodes are simulated: they can be scheduled, and compute nothing.");
}

/// Prints the services; fails when one has ended, so that scripts can ask.
fn status(testbed: &Testbed, output: Format) -> Result<ExitCode> {
    let mut rows = Vec::new();
    for service in testbed.services() {
        rows.push((service, testbed.state(service)?));
    }
    let all_run = rows.iter().all(|(_, state)| *state == State::Running);
    match output {
        Format::Table => {
            for (service, state) in &rows {
                println!("{:26} {}", service.to_string(), state.as_str());
            }
        }
        Format::Json => {
            let services: Vec<_> =
                rows.iter().map(|(service, state)| json!({"name": service.to_string(), "state": state})).collect();
            let clusters: Vec<_> = testbed
                .clusters()
                .iter()
                .map(|&cluster| {
                    json!({
                        "name": cluster, "server": cluster.server(), "node": cluster.node(),
                        "kubeconfig": testbed.dirs().kubeconfig(cluster), "simulatedDevices": cluster.devices(),
                    })
                })
                .collect();
            println!(
                "{}",
                json!({
                    "healthy": all_run, "services": services, "clusters": clusters, "registry": REGISTRY,
                    "registryCa": testbed.registry_ca(), "chainRpc": CHAIN_RPC, "state": testbed.dirs().root(),
                })
            );
        }
    }
    Ok(if all_run { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Takes the command's place, so that signals and the exit code are the command's own.
fn exec(testbed: &Testbed, cluster: ClusterName, node: bool, command: &[String]) -> Result<ExitCode> {
    let cluster = testbed.cluster(cluster)?;
    let (program, arguments) = command.split_first().map_or(("sh", [].as_slice()), |(program, rest)| (program, rest));
    let mut command = if node { cluster.node_command(program) } else { cluster.command(program) };
    let source = command.args(arguments).stdin(std::process::Stdio::inherit()).exec();
    Err(Error::Io { what: format!("running {program}"), source })
}

/// Writes to standard output; a reader such as `head` that has seen enough is no error.
fn print(text: &str) -> Result<()> {
    use std::io::Write;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(source) if source.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::Io { what: "writing to standard output".into(), source })
        }
        _ => Ok(()),
    }
}

fn read(path: &std::path::Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| Error::Io { what: format!("reading {}", path.display()), source })
}
