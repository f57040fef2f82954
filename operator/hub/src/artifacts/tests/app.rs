use axum::http::{Request, StatusCode};
use eai_core::{digest::Digest, epoch::Epoch};
use serde_json::Value;

use super::{super::sweep::sweep, world::*};

fn put_path(what: &str, whole: &[u8], more: &str) -> String {
    format!("{}?digest={}{more}", write_path(what), Digest::of(whole))
}

#[tokio::test]
async fn a_log_is_written_by_the_agent_and_read_by_the_vendor() {
    let world = World::new().await;
    world.get(VENDOR, &read_path("log")).await.refusal(404);
    for log in [b"epoch 1\n".as_slice(), b"epoch 1\nepoch 2\n"] {
        assert_eq!(world.put(AGENT, &put_path("log", log, "&index=1"), log).await.code, StatusCode::CREATED);
        let read = world.get(VENDOR, &read_path("log?index=1")).await;
        assert_eq!((read.code, read.body.as_slice()), (StatusCode::OK, log));
        assert_eq!(read.headers["content-type"], "text/plain; charset=utf-8");
        assert_eq!(read.headers["eai-content-digest"], Digest::of(log).to_string());
    }
    assert!(world.get(VENDOR, &read_path("log")).await.refusal(404).contains("no log yet"));
    world.get(VENDOR, &read_path("log?index=1&epoch=g1-a2")).await.refusal(404);
    assert_eq!(world.get(VENDOR, &read_path("log?index=1&epoch=g1-a1")).await.code, StatusCode::OK);
}

#[tokio::test]
async fn an_output_comes_in_parts_and_goes_in_ranges() {
    let world = World::new().await;
    let whole: Vec<u8> = (0..100).collect();
    let path = |offset: u64| put_path("outputs/model", &whole, &format!("&offset={offset}&total=100"));
    assert_eq!(world.put(AGENT, &path(0), &whole[..60]).await.code, StatusCode::OK);
    world.get(VENDOR, &read_path("outputs/model")).await.refusal(404);
    let stands = world.put(AGENT, &path(50), &whole[50..]).await;
    assert!(stands.refusal(409).contains("60 bytes"));
    let details: Value = serde_json::from_slice(&stands.body).unwrap();
    assert_eq!(details["details"]["causes"][0]["message"], "60", "to be read by programs");
    assert_eq!(world.put(AGENT, &path(60), &whole[60..]).await.code, StatusCode::CREATED);

    let read = world.get(VENDOR, &read_path("outputs/model")).await;
    assert_eq!((read.code, &read.body), (StatusCode::OK, &whole));
    assert_eq!(read.headers["content-type"], "application/octet-stream");
    let part = world.send(VENDOR, Request::get(read_path("outputs/model")).header("Range", "bytes=10-19"), b"").await;
    assert_eq!((part.code, part.body.as_slice()), (StatusCode::PARTIAL_CONTENT, &whole[10..20]));
    assert_eq!(part.headers["content-range"], "bytes 10-19/100");
    assert_eq!(part.headers["eai-content-digest"], Digest::of(&whole).to_string());
    let outside = world.send(VENDOR, Request::get(read_path("outputs/model")).header("Range", "bytes=100-"), b"").await;
    assert_eq!((outside.code.as_u16(), outside.body.len()), (416, 0));
    assert_eq!(outside.headers["content-range"], "bytes */100");
    let head = world.send(VENDOR, Request::head(read_path("outputs/model")), b"").await;
    assert_eq!((head.code, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.headers["content-length"], "100");
}

#[tokio::test]
async fn who_may_not_get_the_job_reads_nothing_of_it() {
    let world = World::new().await;
    world.put(AGENT, &put_path("log", b"secret", ""), b"secret").await;
    for user in [AGENT, "system:anonymous", "vendor2", "system:kube-aggregator"] {
        let refused = world.get(user, &read_path("log")).await;
        assert!(refused.refusal(403).contains(user));
        assert!(!refused.text().contains("secret"));
    }
    let elsewhere = format!("{ROOT}/namespaces/other/aijobs/digits/log");
    world.get(VENDOR, &elsewhere).await.refusal(403);
}

#[tokio::test]
async fn who_may_not_update_the_assignment_writes_nothing() {
    let world = World::new().await;
    for user in [VENDOR, "system:serviceaccount:cn-other:agent"] {
        world.put(user, &put_path("log", b"x", ""), b"x").await.refusal(403);
    }
    let theirs = format!("{ROOT}/namespaces/cn-other/assignments/{UID}-g1-a1/log?digest={}", Digest::of(b"x"));
    world.put(AGENT, &theirs, b"x").await.refusal(403);
    let vendors = format!("{ROOT}/namespaces/research/assignments/{UID}-g1-a1/log?digest={}", Digest::of(b"x"));
    world.put(AGENT, &vendors, b"x").await.refusal(404);
    assert_eq!(world.app.store.jobs().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_request_that_names_no_user_is_nobodys() {
    let world = World::new().await;
    for path in ["/healthz".to_owned(), "/apis".to_owned(), read_path("log")] {
        world.get("", &path).await.refusal(401);
    }
}

#[tokio::test]
async fn an_answer_is_remembered_but_not_for_somebody_else() {
    let world = World::new().await;
    for _ in 0..3 {
        world.get(VENDOR, &read_path("log")).await;
    }
    assert_eq!(world.api.asked.lock().unwrap().len(), 1);
    world.get("vendor2", &read_path("log")).await.refusal(403);
    let in_group = Request::get(read_path("log")).header("X-Remote-Group", "g");
    world.send(VENDOR, in_group, b"").await;
    assert_eq!(world.api.asked.lock().unwrap().len(), 3, "other groups are another identity");
}

#[tokio::test]
async fn when_the_api_server_is_silent_nobody_is_let_in() {
    let world = World::new().await;
    *world.api.up.lock().unwrap() = false;
    world.get(VENDOR, &read_path("log")).await.refusal(503);
    world.put(AGENT, &put_path("log", b"x", ""), b"x").await.refusal(503);
}

#[tokio::test]
async fn what_the_assignment_does_not_have_is_not_taken() {
    let world = World::new().await;
    let put = async |path: String, body: &[u8]| world.put(AGENT, &path, body).await;
    assert!(put(put_path("outputs/other", b"x", ""), b"x").await.refusal(422).contains("no output other"));
    assert!(put(put_path("log", b"x", "&index=2"), b"x").await.refusal(422).contains("2 completions"));
    let long = vec![0; 101];
    assert!(put(put_path("outputs/model", &long, ""), &long).await.refusal(413).contains("100 bytes"));
    let missing = format!("{ROOT}/namespaces/cn-m/assignments/{UID}-g1-a2/log?digest={}", Digest::of(b"x"));
    put(missing, b"x").await.refusal(404);
    assert_eq!(world.app.store.jobs().await.unwrap().len(), 0);
    let lies = put_path("outputs/model", &long, "&total=100");
    put(lies, &long).await.refusal(413);
    world.get(VENDOR, &read_path("outputs/model")).await.refusal(404);
}

#[tokio::test]
async fn a_log_longer_than_a_mebibyte_is_refused_before_it_is_read() {
    let world = World::new().await;
    let long = vec![b'x'; (1 << 20) + 1];
    world.put(AGENT, &put_path("log", &long, ""), &long).await.refusal(413);
    let most = vec![b'x'; 1 << 20];
    assert_eq!(world.put(AGENT, &put_path("log", &most, ""), &most).await.code, StatusCode::CREATED);
}

#[tokio::test]
async fn more_uploads_than_turns_all_come_to_their_end() {
    let world = World::new().await;
    let uploads = (0..40u8).map(|n| {
        let (world, body) = (&world, vec![n; 50]);
        async move {
            let path = put_path("log", &body, &format!("&index={}", n % 2));
            world.put(AGENT, &path, &body).await.code
        }
    });
    let codes = futures::future::join_all(uploads).await;
    assert!(codes.iter().all(|code| matches!(code.as_u16(), 201 | 409)), "{codes:?}");
    assert!(codes.contains(&StatusCode::CREATED));
    assert_eq!(world.app.uploads.available_permits(), super::super::app::UPLOADS);
}

#[tokio::test]
async fn a_wrong_digest_is_refused_and_leaves_nothing() {
    let world = World::new().await;
    let refused = world.put(AGENT, &put_path("outputs/model", b"right", ""), b"wrong").await;
    assert!(refused.refusal(422).contains(&Digest::of(b"right").to_string()));
    world.get(VENDOR, &read_path("outputs/model")).await.refusal(404);
    assert_eq!(world.put(AGENT, &put_path("outputs/model", b"right", ""), b"right").await.code, StatusCode::CREATED);
}

#[tokio::test]
async fn queries_that_make_no_sense_are_refused() {
    let world = World::new().await;
    for query in ["", "?digest=sha256:00", "?digest=x&index=-1", "?digest=x&digest=y", "?index=0"] {
        world.put(AGENT, &format!("{}{query}", write_path("log")), b"x").await.refusal(400);
    }
    for query in ["?index=x", "?index=99999999999", "?epoch=1", "?epoch=../x"] {
        world.get(VENDOR, &read_path(&format!("log{query}"))).await.refusal(400);
    }
    world.put(AGENT, &put_path("outputs/model", b"abc", "&total=3&offset=4"), b"").await.refusal(400);
}

#[tokio::test]
async fn a_missing_output_is_told_apart_from_one_that_never_can_be() {
    let world = World::new().await;
    assert!(world.get(VENDOR, &read_path("outputs/model")).await.refusal(404).contains("isn't there"));
    assert!(world.get(VENDOR, &read_path("outputs/other")).await.refusal(404).contains("model"));
    assert!(world.get(VENDOR, &read_path("log?index=7")).await.refusal(404).contains("2 completions"));
}

#[tokio::test]
async fn verbs_are_the_owners() {
    let world = World::new().await;
    world.put(VENDOR, &read_path("log"), b"x").await.refusal(405);
    world.get(AGENT, &write_path("log")).await.refusal(405);
    world.send(VENDOR, Request::delete(read_path("log")), b"").await.refusal(405);
    world.put(VENDOR, "/apis", b"x").await.refusal(405);
    world.get(VENDOR, "/apis/artifacts.eai.network/v1alpha1/nodes").await.refusal(404);
}

#[tokio::test]
async fn discovery_is_as_kubernetes_clients_expect() {
    let world = World::new().await;
    let json = |answer: Answer| serde_json::from_slice::<Value>(&answer.body).unwrap();
    let list = json(world.get("system:kube-aggregator", ROOT).await);
    let list: k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList = serde_json::from_value(list).unwrap();
    let names: Vec<_> = list.resources.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "aijobs/log",
            "aijobs/outputs",
            "aijobs/checkpoint",
            "aijobs/events",
            "aijobs/exec",
            "aijobs/portforward",
            "assignments/log",
            "assignments/outputs",
            "assignments/checkpoint",
            "sessions/attach",
            "quotes"
        ]
    );
    assert_eq!(list.group_version, "artifacts.eai.network/v1alpha1");
    let groups = json(world.get(VENDOR, "/apis").await);
    assert_eq!(
        (&groups["kind"], &groups["groups"][0]["name"]),
        (&"APIGroupList".into(), &"artifacts.eai.network".into())
    );

    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let answer = world.send(VENDOR, Request::get("/apis").header("Accept", accept), b"").await;
    assert_eq!(answer.headers["content-type"], "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    let list = json(answer);
    let version = &list["items"][0]["versions"][0];
    assert_eq!((&version["version"], &version["freshness"]), (&"v1alpha1".into(), &"Current".into()));
    assert_eq!(version["resources"][0]["subresources"][1]["subresource"], "outputs");
    assert_eq!(version["resources"][3]["verbs"][0], "create", "quotes");
}

#[tokio::test]
async fn a_checkpoint_is_read_by_the_agent_that_goes_on_from_it() {
    let world = World::new().await;
    let read = |index: u32| write_path(&format!("checkpoint?index={index}"));
    world.get(AGENT, &read(1)).await.refusal(404);
    // The attempt before left one of index 1, which the Assignment names; of index 0 nobody is to go on from it.
    for index in [0, 1] {
        let before = world.scratch.path().join(format!("jobs/{UID}/g1-a0/{index}/checkpoint"));
        std::fs::create_dir_all(&before).unwrap();
        std::fs::write(before.join(Digest::of(b"step 1").to_string().replace(':', "-")), b"step 1").unwrap();
    }
    let got = world.get(AGENT, &read(1)).await;
    assert_eq!((got.code, got.body.as_slice()), (StatusCode::OK, b"step 1".as_slice()));
    assert_eq!(got.headers["eai-content-digest"], Digest::of(b"step 1").to_string());
    world.get(AGENT, &read(0)).await.refusal(404);
    // Its own goes first.
    for step in [b"step 2", b"step 3"] {
        assert_eq!(world.put(AGENT, &put_path("checkpoint", step, "&index=1"), step).await.code, StatusCode::CREATED);
        assert_eq!(world.get(AGENT, &read(1)).await.body, step);
    }
    let told = |content: &[u8], size_bytes| eai_api::artifact::CheckpointArtifact {
        index: 1,
        digest: Digest::of(content),
        size_bytes,
        at: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
    };
    let has =
        |told| super::super::has_checkpoint(world.scratch.path(), UID, Epoch { generation: 1, attempt: 1 }, &told);
    assert!(has(told(b"step 3", 6)), "what is acknowledged is there");
    assert!(!has(told(b"step 2", 6)) && !has(told(b"step 3", 5)), "and nothing else");
    let part = world.send(AGENT, Request::get(read(1)).header("Range", "bytes=5-"), b"").await;
    assert_eq!((part.code, part.text()), (StatusCode::PARTIAL_CONTENT, "3"));
    // Nobody else's business, but the vendor's own.
    for user in [VENDOR, "system:serviceaccount:cn-other:agent"] {
        world.get(user, &read(1)).await.refusal(403);
    }
    assert_eq!(world.get(VENDOR, &read_path("checkpoint?index=1")).await.text(), "step 3");
    let vendors = format!("{ROOT}/namespaces/research/assignments/{UID}-g1-a1/checkpoint");
    world.get(AGENT, &vendors).await.refusal(404);
}

#[tokio::test]
async fn a_checkpoint_is_bounded_and_only_of_a_job_that_keeps_them() {
    let world = World::new().await;
    let large = vec![1; 101];
    let refused = world.put(AGENT, &put_path("checkpoint", &large, ""), &large).await;
    assert!(refused.refusal(413).contains("100 bytes"));
    world.put(AGENT, &put_path("checkpoint", b"x", "&index=2"), b"x").await.refusal(422);
    world.api.set(|workload, _| workload["checkpoint"] = Value::Null);
    assert!(world.put(AGENT, &put_path("checkpoint", b"x", ""), b"x").await.refusal(422).contains("no checkpoints"));
    world.api.set(|_, acknowledged| acknowledged["finished"] = true.into());
    assert!(world.put(AGENT, &put_path("checkpoint", b"x", ""), b"x").await.refusal(400).contains("over"));
    assert_eq!(world.put(AGENT, &put_path("log", b"x", ""), b"x").await.code, StatusCode::CREATED, "its log is kept");
}

#[tokio::test]
async fn what_belongs_to_a_job_that_is_gone_is_swept_away() {
    let world = World::new().await;
    world.put(AGENT, &put_path("log", b"x", ""), b"x").await;
    std::fs::create_dir_all(world.scratch.path().join("jobs/gone/g1-a1/0/log")).unwrap();
    *world.api.up.lock().unwrap() = false;
    assert!(sweep(&world.app.client, &world.app.store).await.is_err(), "not knowing is no reason to remove");
    assert_eq!(world.app.store.jobs().await.unwrap().len(), 2);
    *world.api.up.lock().unwrap() = true;
    assert_eq!(sweep(&world.app.client, &world.app.store).await.unwrap(), 1);
    assert_eq!(world.app.store.jobs().await.unwrap(), [UID.to_owned()].into());
}

fn quotes_in(namespace: &str) -> Request<()> {
    Request::post(format!("{ROOT}/namespaces/{namespace}/quotes")).body(()).unwrap()
}

#[tokio::test]
async fn quotes_are_for_those_who_may_create_jobs() {
    let world = World::new().await;
    let ask = async |user: &str, namespace: &str, body: &[u8]| {
        let path = quotes_in(namespace).uri().to_string();
        world.send(user, Request::post(path), body).await
    };
    assert!(ask(VENDOR, "research", b"{}").await.refusal(403).contains("may not create AIJobs"));
    world.api.allowed.lock().unwrap().insert(format!("{VENDOR} create aijobs/ lab "));
    assert!(ask(VENDOR, "lab", b"{}").await.refusal(422).contains("this is no AIJob"));
    ask(VENDOR, "lab", &vec![b' '; (1 << 20) + 1]).await.refusal(413);
    ask(AGENT, "lab", b"{}").await.refusal(403);
    world.get(VENDOR, quotes_in("lab").uri().path()).await.refusal(405);
}

#[tokio::test]
async fn where_nobody_leads_a_quote_is_asked_for_again() {
    let world = World::new().await;
    world.api.allowed.lock().unwrap().insert(format!("{VENDOR} create aijobs/ research "));
    let job = job_to_quote();
    let path = quotes_in("research").uri().to_string();
    let ask = || world.send(VENDOR, Request::post(path.clone()), job.as_bytes());
    let answers = futures::future::join_all((0..17).map(|_| ask())).await;
    let said: Vec<String> = answers.iter().map(|answer| answer.refusal(503)).collect();
    assert_eq!(said.iter().filter(|said| said.contains("doesn't lead")).count(), 16);
    assert_eq!(said.iter().filter(|said| said.contains("too many")).count(), 1, "no more of them are kept waiting");
}
