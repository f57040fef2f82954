//! The stage that is up, and jobs to put on it.

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use eai_chain::{LeaseId, LeaseView, Reader};
use eai_core::money::Amount;
use eai_e2e::{
    Stage,
    balances::Contracts,
    deploy::Images,
    jobs::{self, Job},
    run,
    vendor::Vendor,
};
use serde_json::{Value, json};

/// Seconds that one step may take: a container's start, a pause, a namespace's end. It takes a few, but the machine that
/// runs three clusters may have other things to do, and a bound is no figure.
pub const START: u64 = 180;
/// Seconds that a job may take to its end, or a crowd of jobs to anything.
pub const END: u64 = 400;

/// Held while a vendor is given money.
static FUNDING: Mutex<()> = Mutex::new(());

/// Everything that is up.
pub struct World {
    pub stage: Stage,
    pub contracts: Contracts,
    pub images: Images,
    /// An image with a shell, from the registry that the members allow.
    pub shell: String,
    runtime: tokio::runtime::Runtime,
}

/// The stage that the demo left up, in target/demo or wherever `EAI_STAGE` says.
pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        eai_runtime::tls::init();
        say_failures_at_once();
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/demo");
        let dir = std::env::var_os("EAI_STAGE").map_or(demo, PathBuf::from).components().collect::<PathBuf>();
        let record = dir.join("stage.json");
        let text = run::read(&record).expect("no stage is up: run `KEEP=1 target/debug/eai-demo run` first");
        let record: Value = serde_json::from_str(&text).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let stage = Stage::on_testbed(&dir).unwrap();
        let testbed = stage.testbed.as_ref().unwrap();
        let shell = testbed.push_image(&testbed.tools().busybox_image, "e2e-shell", "1").unwrap();
        World {
            stage,
            shell,
            contracts: serde_json::from_value(record["contracts"].clone()).unwrap(),
            images: serde_json::from_value(record["images"].clone()).unwrap(),
            runtime,
        }
    })
}

/// What fails is said at once, not only once all tests have run: somebody may stop them before.
fn say_failures_at_once() {
    use std::io::Write as _;
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // Not through eprintln!, which the tests' harness keeps to itself.
        let _ = writeln!(std::io::stderr(), "\n{panic}");
        usual(panic);
    }));
}

impl World {
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The hub's generation: members refuse what a lower one begins.
    pub fn generation(&self) -> u64 {
        let info = self.stage.hub.get(&["configmap", "eai-hub-info", "-n", eai_e2e::deploy::HUB_NAMESPACE]).unwrap();
        text(&info["data"]["settledInGeneration"]).parse().unwrap()
    }

    /// A vendor with `deposit` in the escrow and the hub authorised for ten times that.
    pub fn vendor(&self, name: &str, deposit: &str) -> Vendor {
        let vendor = self.poor_vendor(name, deposit);
        vendor.deposit(&self.stage, deposit).unwrap();
        vendor.authorize(&self.stage, "1000", "5").unwrap();
        vendor
    }

    /// A vendor with `eai` outside the escrow, who has authorised nobody.
    pub fn poor_vendor(&self, name: &str, eai: &str) -> Vendor {
        let eai: Amount = eai.parse().unwrap();
        // They are paid from one account, whose transactions would take each other's place.
        let _one_by_one = FUNDING.lock().unwrap_or_else(PoisonError::into_inner);
        self.block_on(Vendor::new(&self.stage, &self.contracts, &format!("e2e-{name}"), eai)).unwrap()
    }

    pub fn wealth(&self, vendor: &Vendor) -> Amount {
        self.block_on(vendor.wealth(&self.contracts)).unwrap()
    }

    pub fn chain(&self) -> Reader {
        self.contracts.reader().unwrap()
    }

    /// The lease of a job's attempt, from the chain.
    pub fn lease(&self, attempt: &Value) -> Option<LeaseView> {
        let id: LeaseId = text(&attempt["lease"]["id"]).parse().unwrap();
        self.block_on(self.chain().lease(id)).unwrap()
    }

    /// An AIJob of a vendor's that sleeps for `seconds` on a tenth of a core, with `change` merged into its spec. Work
    /// would do too, but the machine that all clusters share has better to do.
    pub fn job(&self, vendor: &Vendor, name: &str, seconds: u64, change: &Value) -> Value {
        let mut spec = json!({
            "image": self.shell,
            "command": ["sh", "-c", format!("trap 'exit 143' TERM; sleep {seconds} & wait $!")],
            "resources": {"cpu": "100m", "memory": "128Mi"},
            "maxPrice": "5",
            "maxDurationSeconds": 600,
            "payment": {"account": vendor.person.address},
        });
        for (field, value) in change.as_object().unwrap().clone() {
            spec[field] = value;
        }
        json!({
            "apiVersion": "eai.network/v1alpha1",
            "kind": "AIJob",
            "metadata": {"name": name, "namespace": vendor.namespace},
            "spec": spec,
        })
    }

    /// Creates it.
    pub fn submit(&self, vendor: &Vendor, name: &str, seconds: u64, change: &Value) -> Job {
        self.stage.hub.apply(&self.job(vendor, name, seconds, change).to_string()).unwrap();
        Job { namespace: vendor.namespace.clone(), name: name.to_owned() }
    }

    /// Waits until a job is in a phase, and returns it.
    pub fn reach(&self, job: &Job, phase: &str, seconds: u64) -> Value {
        let reached = |object: &Value| {
            let now = jobs::phase(object);
            let ended = ["Succeeded", "Failed", "Cancelled"].contains(&now);
            assert!(!ended || now == phase, "{}: {now}, not {phase}: {}", job.name, jobs::message(object));
            now == phase
        };
        job.wait_for(&self.stage.hub, seconds, phase, reached).unwrap()
    }

    /// Waits until the Ready condition gives a reason, and returns its message.
    pub fn reason(&self, job: &Job, reason: &str, seconds: u64) -> String {
        let given = |object: &Value| jobs::condition(object, "Ready").is_some_and(|ready| ready["reason"] == reason);
        let object = job.wait_for(&self.stage.hub, seconds, reason, given).unwrap();
        let said = text(&jobs::condition(&object, "Ready").unwrap()["message"]).to_owned();
        assert!(!said.contains("  "), "a gap in the sentence: {said}");
        said
    }

    /// Changes an object on the hub as its admin.
    pub fn patch(&self, job: &Job, patch: &Value) {
        let patch = patch.to_string();
        let arguments = ["patch", "aijob", &job.name, "-n", &job.namespace, "--type=merge", "-p", &patch];
        self.stage.hub.kubectl(&arguments).unwrap();
    }
}

/// A text within an object.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// An amount of EAI within an object.
pub fn amount(value: &Value) -> Amount {
    text(value).parse().unwrap_or_else(|_| panic!("{value} is no amount"))
}

/// Asserts that `said` holds every one of `words`.
#[track_caller]
pub fn says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} isn't said in:\n{said}");
    }
}
