//! The testbed's whole life: crashes halfway that `down` cleans, then one `up` on which everything is tried, then `down`.
//! Needs root, and that no other testbed is on the machine; takes about two minutes once the programs are built.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bystander;
mod chain;
mod network;
mod pods;
mod services;
mod snapshot;

use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bystander::Bystander;
use eai_testbed::{ClusterName, Dirs, Error, Options, State, Testbed};
use snapshot::Snapshot;

/// The state directory of this test, so that it can't take a developer's testbed for its own.
const STATE: &str = "/var/lib/eai-testbed-test";

#[test]
fn comes_up_works_and_leaves_nothing() {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("skipped: the testbed needs root");
        return;
    }
    let dirs = Dirs::at(STATE);
    Testbed::remove(&dirs, true).expect("no other testbed is on this machine");
    let options = Options { dirs: dirs.clone(), verbose: true, ..Options::default() };
    eai_testbed::Tools::ensure(&options.cache, &|what| eprintln!("{what}")).unwrap();
    let bystander = Bystander::start();
    let before = Snapshot::take();

    crashes_are_cleaned(&dirs, &before);
    let start = Instant::now();
    let testbed = Testbed::up(&options).unwrap();
    eprintln!("up in {:.1} s", start.elapsed().as_secs_f64());
    used_while_up(&testbed, &options);
    testbed.down().unwrap();

    before.assert_same(&Snapshot::take());
    bystander.assert_untouched();
    Testbed::remove(&dirs, true).unwrap();
    assert!(matches!(Testbed::attach(&dirs), Err(Error::NotUp(_))));
}

/// Kills `up` at several moments; `down` must leave the machine as it was each time.
fn crashes_are_cleaned(dirs: &Dirs, before: &Snapshot) {
    for after in [20, 150, 400, 1000, 3000, 8000] {
        let mut up = start_up();
        std::thread::sleep(Duration::from_millis(after));
        up.kill().unwrap();
        up.wait().unwrap();
        let attached = Testbed::attach(dirs);
        assert!(matches!(attached, Err(Error::NotUp(_))), "killed after {after} ms: {attached:?}");
        Testbed::remove(dirs, false).unwrap();
        eprintln!("killed after {after} ms and cleaned");
        before.assert_same(&Snapshot::take());
    }
}

fn start_up() -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eai-testbed"));
    command.arg("up").env("EAI_TESTBED", STATE).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn used_while_up(testbed: &Testbed, options: &Options) {
    assert_eq!(testbed.clusters(), ClusterName::ALL);
    for service in testbed.services() {
        assert_eq!(testbed.state(service).unwrap(), State::Running, "{service}");
    }
    assert!(Testbed::up(options).is_ok(), "a second up takes what is there");
    let elsewhere = Options { dirs: Dirs::at("/var/lib/eai-testbed-other"), ..options.clone() };
    assert!(matches!(Testbed::up(&elsewhere), Err(Error::Elsewhere(_))));
    assert!(matches!(Testbed::remove(&elsewhere.dirs, false), Err(Error::Elsewhere(_))));

    network::router_keeps_home_closed_and_open_to_the_outside(testbed);
    network::registry_is_trusted_by_its_authority_only(testbed);
    let image = testbed.push_image(&testbed.tools().busybox_image, "test/busybox", "1").unwrap();
    assert!(image.starts_with("10.77.0.1:5000/test/busybox@sha256:"), "{image}");
    pods::run_under_runc_and_gvisor_with_devices(testbed, &image);
    network::api_server_reaches_services(testbed, &image);
    chain::keeps_its_blocks_over_restarts(testbed);
    services::come_back_after_a_kill(testbed);
}
