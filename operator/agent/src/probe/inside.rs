//! `eai-agent probe`: runs in a pod like work's and tries what work must not be able to do.

use std::{fs, io, net::SocketAddr, path::Path, process::ExitCode, time::Duration};

use tokio::net::TcpStream;

/// Exit code: nothing was reached.
pub const ISOLATED: i32 = 0;
/// Exit code: something was.
pub const REACHED: i32 = 10;
/// How long a connection may take; every target is tried at once.
const TIMEOUT: Duration = Duration::from_secs(4);

/// What to try.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// An address and port that must be out of reach.
    #[arg(long = "target")]
    targets: Vec<SocketAddr>,
    /// There must be no network interface but the loopback.
    #[arg(long)]
    no_interfaces: bool,
}

/// Tries everything and says what was reached.
pub async fn run(args: Args) -> ExitCode {
    let mut reached = Vec::new();
    if args.no_interfaces {
        reached.extend(
            interfaces(Path::new("/proc/net/dev"))
                .unwrap_or_default()
                .into_iter()
                .map(|name| format!("interface {name}")),
        );
    }
    let tried = futures::future::join_all(args.targets.iter().map(|target| reaches(*target))).await;
    let targets = args.targets.iter().zip(tried).filter(|(_, reached)| *reached);
    reached.extend(targets.map(|(target, _)| target.to_string()));
    let (words, code) = if reached.is_empty() {
        ("nothing was reached".to_owned(), ISOLATED)
    } else {
        (format!("reached: {}", reached.join(", ")), REACHED)
    };
    // The pod's termination message; without it the log says the same.
    let _ = fs::write("/dev/termination-log", &words);
    eprintln!("{words}");
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Whether anything answers at `target`. A refusal is an answer.
async fn reaches(target: SocketAddr) -> bool {
    match tokio::time::timeout(TIMEOUT, TcpStream::connect(target)).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset),
        Err(_) => false,
    }
}

/// Network interfaces but the loopback, from the kernel's table.
pub(super) fn interfaces(table: &Path) -> io::Result<Vec<String>> {
    let text = fs::read_to_string(table)?;
    let names = text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim().to_owned());
    Ok(names.filter(|name| name != "lo").collect())
}
