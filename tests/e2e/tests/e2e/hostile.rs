//! A member whose owner wrote an agent of their own: with a valid token it says whatever it likes. It is paid for no more
//! than was seen to run, and nobody else notices.

use std::time::{Duration, Instant};

use eai_api::{Assignment, MemberReport};
use eai_e2e::{
    bearer::{Bearer, agent_token},
    deploy::HUB_NAMESPACE,
    report::assignment_name,
    run,
};
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

use crate::support::{END, START, amount, text, world};

/// For how long it lies.
const FOR: Duration = Duration::from_secs(40);

/// A number as nobody should send it.
fn number(random: &mut fastrand::Rng) -> Value {
    let odd = [
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(9_007_199_254_740_991_i64),
        json!(1e300),
        json!("7"),
    ];
    if random.bool() { json!(random.i64(0..10_000_000)) } else { random.choice(odd).unwrap() }
}

fn moment(random: &mut fastrand::Rng) -> Value {
    json!(random.choice(["1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "soon"]).unwrap())
}

fn words(random: &mut fastrand::Rng) -> Value {
    json!(
        random
            .choice([String::new(), "Completed".to_owned(), "\u{0}\n\u{202e}".to_owned(), "x".repeat(1 << 20)])
            .unwrap()
    )
}

/// Something to say in a field.
type Lie = fn(&mut fastrand::Rng) -> Value;

/// Any status at all.
fn status(random: &mut fastrand::Rng) -> Value {
    let phases = ["Pending", "Refused", "Starting", "Running", "Paused", "Finishing", "Running", "Running", "Nonsense"];
    let mut status = json!({"phase": random.choice(phases).unwrap()});
    let odd: [(&str, Lie); 8] = [
        ("usageMs", number),
        ("running", number),
        ("startedAt", moment),
        ("finishedAt", moment),
        ("message", words),
        ("reason", words),
        ("exitCode", number),
        (
            "outputs",
            |random| json!([{"index": number(random), "name": "a", "digest": "sha256:0", "sizeBytes": number(random)}]),
        ),
    ];
    for (field, value) in odd {
        if random.u8(0..3) == 0 {
            status[field] = value(random);
        }
    }
    status
}

/// Any capacity at all.
fn report(random: &mut fastrand::Rng) -> Value {
    let node = |random: &mut fastrand::Rng| {
        json!({"name": random.choice(["home-node", "", "../x", "n"]).unwrap(), "freeCpuMillis": number(random),
            "freeMemoryBytes": number(random),
            "accelerators": [{"resource": "nvidia.com/gpu", "total": number(random), "free": number(random)}]})
    };
    let count = random.choice([0_usize, 1, 3, 200]).unwrap();
    let nodes: Vec<Value> = (0..count).map(|_| node(random)).collect();
    json!({"nodes": nodes, "counted": (0..random.usize(0..500)).map(|n| format!("c{n}")).collect::<Vec<_>>(),
        "probes": {"sandbox": random.bool(), "internetIsolated": random.bool()}})
}

/// Writes for [`FOR`]; says how many writes were taken and how many refused.
async fn lie(client: Client, assignment: &str, seed: u64) -> (u32, u32) {
    let mut random = fastrand::Rng::with_seed(seed);
    let assignments: Api<Assignment> = Api::namespaced(client.clone(), "cn-home");
    let reports: Api<MemberReport> = Api::namespaced(client, "cn-home");
    let params = PatchParams::default();
    let (since, mut taken, mut refused) = (Instant::now(), 0, 0);
    while since.elapsed() < FOR {
        let written = if random.u8(0..4) > 0 {
            let patch = json!({"status": status(&mut random)});
            assignments.patch_status(assignment, &params, &Patch::Merge(&patch)).await.map(drop)
        } else {
            let patch = json!({"spec": report(&mut random)});
            reports.patch("home", &params, &Patch::Merge(&patch)).await.map(drop)
        };
        match written {
            Ok(()) => taken += 1,
            Err(kube::Error::Api(_) | kube::Error::SerdeError(_)) => refused += 1,
            Err(other) => panic!("the API server itself suffers: {other}"),
        }
    }
    (taken, refused)
}

/// How often the hub's containers were started again.
fn restarts() -> i64 {
    let pods = world().stage.hub.get(&["pods", "-n", HUB_NAMESPACE]).unwrap();
    let statuses =
        pods["items"].as_array().unwrap().iter().filter_map(|pod| pod["status"]["containerStatuses"].as_array());
    statuses.flatten().filter_map(|status| status["restartCount"].as_i64()).sum()
}

#[test]
fn a_member_that_says_whatever_it_likes_is_not_overpaid_and_harms_nobody() {
    let w = world();
    let vendor = w.vendor("hostile", "2");
    let before = restarts();
    let job =
        w.submit(&vendor, "lied-about", 60, &json!({"placement": {"members": ["home"]}, "retry": {"maxAttempts": 1}}));
    let object = w.reach(&job, "Running", START);
    let begun = Instant::now();
    let bearer = Bearer::new(&w.stage, "liar", &agent_token(&w.stage, "home").unwrap()).unwrap();
    let kubeconfig = Kubeconfig::read_from(bearer.kubeconfig()).unwrap();
    let name = assignment_name(&object);
    let honest = w.submit(&vendor, "honest", 5, &json!({"placement": {"members": ["cloud"]}}));
    let (taken, refused) = w.block_on(async {
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        lie(Client::try_from(config).unwrap(), &name, 7).await
    });
    assert!(taken > 20 && refused > 20, "{taken} taken, {refused} refused: it tried too little");
    w.reach(&honest, "Succeeded", START);
    let done = run::wait("the end of what was lied about", END, || {
        let object = job.read(&w.stage.hub).map_err(|error| error.to_string())?;
        let phase = text(&object["status"]["phase"]).to_owned();
        if ["Succeeded", "Failed", "Cancelled"].contains(&phase.as_str()) { Ok(object) } else { Err(phase) }
    })
    .unwrap();
    // A tenth of a core for no longer than the hub could have seen it run, to the second before it was seen.
    let most_ms = u64::try_from(begun.elapsed().as_millis()).unwrap() + 30_000;
    let attempt = &done["status"]["attempt"];
    assert!(attempt["usageMs"].as_u64().unwrap_or(0) <= most_ms / 10, "{attempt}");
    assert!(amount(&done["status"]["cost"]) <= amount(&attempt["lease"]["hold"]), "{attempt}");
    assert_eq!(restarts(), before, "the hub goes on");
    run::wait("the agent's own report", START, || {
        let report = w.stage.hub.get(&["memberreport", "home", "-n", "cn-home"]).map_err(|error| error.to_string())?;
        let counted = report["spec"]["counted"].as_array().into_iter().flatten().any(|name| name == "c0");
        let node = &report["spec"]["nodes"][0]["name"];
        if !counted && node == "home-node" { Ok(()) } else { Err(node.to_string()) }
    })
    .unwrap();
    vendor.leave(&w.stage, START).unwrap();
}
