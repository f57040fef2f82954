//! This release beside the one before: an upgrade in the order that docs/upgrades.md gives, and each half of it back, while
//! jobs run. What each job counts itself, what containerd saw and what the chain paid say whether it was disturbed.

mod fit;
mod objects;
mod record;
mod release;
mod steps;
mod work;

use std::path::PathBuf;

pub use self::fit::fit;
use self::{record::Record, steps::Upgrade};
use crate::{
    demo, deploy,
    error::{Error, Result},
    stage::Stage,
    vendor::Vendor,
};

/// What the vendor has at first, all of it in the escrow.
const DEPOSIT: &str = "50";

/// Which release to start from.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The checkout in which the earlier release was built, as `tests/compat.sh build` leaves it.
    #[arg(long, default_value = "target/compat/src")]
    from: PathBuf,
    /// Where what is made goes.
    #[arg(long, default_value = "target/compat/stage")]
    dir: PathBuf,
    /// Where what was seen goes.
    #[arg(long, default_value = "target/compat.json")]
    out: PathBuf,
}

/// Upgrades and rolls back on a testbed on which nothing is installed. Leaves everything up. An error if anything wasn't as
/// it should be.
pub async fn run(arguments: &Arguments) -> Result<()> {
    let absolute = |path: &PathBuf| {
        let resolved = std::path::absolute(path);
        resolved.map_err(|source| Error::File { path: path.clone(), source })
    };
    let (from, dir) = (absolute(&arguments.from)?, absolute(&arguments.dir)?);
    let (earlier, now) = (Stage::of_release(&from, &dir)?, Stage::on_testbed(&dir)?);
    let mut record = Record::new(&from);
    let went = all(&earlier, &now, &mut record).await;
    if let Err(error) = &went {
        record.faults(vec![error.to_string()]);
    }
    record.end(&arguments.out)
}

async fn all(earlier: &Stage, now: &Stage, record: &mut Record) -> Result<()> {
    record.step("1. kinds, hub and agents of the earlier release");
    deploy::forget_another_chain(earlier).await?;
    let (images, contracts) = demo::install(earlier, record.start())?;
    let testbed = now.testbed.as_ref().ok_or_else(|| Error::unexpected("compat", "it needs the testbed"))?;
    let shell = testbed.push_image(&testbed.tools().busybox_image, "compat-shell", "1")?;
    let given = DEPOSIT.parse().map_err(|error| Error::unexpected("an amount", error))?;
    let vendor = Vendor::new(earlier, &contracts, "compat", given).await?;
    vendor.deposit(earlier, DEPOSIT)?;
    vendor.authorize(earlier, "1000", "5")?;
    let upgrade = Upgrade {
        now,
        before: images,
        after: deploy::Images::push(now)?,
        first: release::hub_revision(earlier)?,
        lent: release::lends(earlier)?,
        contracts,
        vendor,
        given,
        shell,
        record,
        paid: eai_core::money::Amount::default(),
    };
    upgrade.run().await
}
