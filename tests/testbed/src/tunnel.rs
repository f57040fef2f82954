//! A way from this process to an API server behind the home router, for a test's own assertions: it enters the cluster's
//! network namespace, as only root on this machine can.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::cluster::Cluster;
use crate::error::{Context, Result};

/// A port on the loopback address that leads to a cluster's API server, until dropped.
#[derive(Debug)]
pub struct Tunnel {
    address: SocketAddr,
    kubeconfig: String,
    closed: Arc<AtomicBool>,
}

impl Tunnel {
    pub(crate) fn open(cluster: &Cluster) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context(|| "listening on 127.0.0.1".into())?;
        let address = listener.local_addr().context(|| "asking for a port".into())?;
        let path = cluster.kubeconfig();
        let kubeconfig = std::fs::read_to_string(&path).context(|| format!("reading {}", path.display()))?;
        // The API server's certificate is valid for 127.0.0.1 too.
        let kubeconfig = kubeconfig.replace(&cluster.server(), &format!("https://{address}"));
        let closed = Arc::new(AtomicBool::new(false));
        let (stop, pin) = (Arc::clone(&closed), format!("--net={}", crate::net::pin(cluster.name).display()));
        thread::spawn(move || {
            for stream in listener.incoming().flatten().take_while(|_| !stop.load(Ordering::SeqCst)) {
                let pin = pin.clone();
                thread::spawn(move || relay(&pin, stream));
            }
        });
        Ok(Self { address, kubeconfig, closed })
    }

    /// A kubeconfig of the cluster's administrator that goes through the tunnel, as text.
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes the listener up to see it; when that fails, it has ended already.
        let _ = TcpStream::connect(self.address);
    }
}

/// Hands the connection to a program inside, until either side closes it. A failure closes it, and the client sees that.
fn relay(pin: &str, stream: TcpStream) -> io::Result<()> {
    let (input, output): (OwnedFd, OwnedFd) = (stream.try_clone()?.into(), stream.into());
    let mut command = Command::new("nsenter");
    command.args([pin, "--", "busybox", "nc", "127.0.0.1", "6443"]).stdin(input).stdout(output);
    let mut child = command.spawn()?;
    drop(command); // it holds our copies of the connection
    child.wait().map(drop)
}
