//! The rows that operator/api checks without a cluster, put to the real API server: the same object is refused by the
//! same field and in the same words. Nothing is stored but what a change starts from.

use std::fmt::Write as _;

use kube::{
    Client, Config, Error,
    api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::GroupVersionKind,
};
use serde::Deserialize;
use serde_json::Value;

use crate::support::{text, world};

const NAMESPACE: &str = "e2e-admission";

#[derive(Deserialize)]
struct Row {
    case: String,
    kind: String,
    #[serde(default)]
    first: Vec<Change>,
    change: Vec<Change>,
    path: Option<String>,
    #[serde(default)]
    says: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Change {
    Set { set: String, to: Value },
    Remove { remove: String },
}

impl Change {
    fn pointer(&self) -> &str {
        match self {
            Self::Set { set, .. } => set,
            Self::Remove { remove } => remove,
        }
    }

    fn apply(&self, object: &mut Value) {
        let (parent, key) = self.pointer().rsplit_once('/').unwrap();
        let parent = object.pointer_mut(parent).unwrap();
        match (self, parent) {
            (Self::Set { to, .. }, Value::Array(items)) if key == "-" => items.push(to.clone()),
            (Self::Set { to, .. }, Value::Array(items)) => items[key.parse::<usize>().unwrap()] = to.clone(),
            (Self::Set { to, .. }, parent) => parent[key] = to.clone(),
            (Self::Remove { .. }, parent) => {
                parent.as_object_mut().unwrap().remove(key).unwrap();
            }
        }
    }
}

/// The table's good object, harmless on a hub that runs: nobody accepts the member, nobody pays for the job.
fn sample(kind: &str) -> Value {
    let text = include_str!("../../../../operator/api/tests/table/samples.yaml");
    let objects = serde_norway::Deserializer::from_str(text).map(|d| Value::deserialize(d).unwrap());
    let mut object = objects.filter(|object| object["kind"] == kind).last().unwrap();
    match kind {
        "ComputeNode" => {
            object["metadata"]["name"] = "e2e-admission".into();
            object["spec"]["accepted"] = false.into();
        }
        // No member has opted in.
        "AgentRelease" => object["metadata"]["name"] = "e2e-admission".into(),
        _ => object["metadata"]["namespace"] = NAMESPACE.into(),
    }
    object
}

struct Table {
    client: Client,
    wrong: String,
}

impl Table {
    fn api(&self, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("eai.network", "v1alpha1", kind));
        match kind {
            "ComputeNode" | "AgentRelease" => Api::all_with(self.client.clone(), &resource),
            _ => Api::namespaced_with(self.client.clone(), NAMESPACE, &resource),
        }
    }

    fn judge(&mut self, row: &Row, outcome: Result<DynamicObject, Error>) {
        let said = match (&row.path, outcome) {
            (None, Ok(_)) => return,
            (Some(path), Ok(_)) => format!("accepted, though {path} is wrong"),
            (Some(path), Err(Error::Api(status)))
                if names(&status.message, path) && status.message.contains(&row.says) =>
            {
                return;
            }
            (_, Err(error)) => format!("{error}"),
        };
        writeln!(self.wrong, "{} ({}): wanted {:?} {:?}: {said}", row.case, row.kind, row.path, row.says).unwrap();
    }

    async fn creation(&mut self, row: &Row) {
        let mut object = sample(&row.kind);
        row.change.iter().for_each(|change| change.apply(&mut object));
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let made = self.api(&row.kind).create(&dry, &parse(&object)).await;
        self.judge(row, made);
    }

    /// A status is written apart, to an object that is stored.
    async fn status(&mut self, row: &Row) {
        let mut object = sample(&row.kind);
        self.stored(&row.kind, &object).await;
        row.change.iter().for_each(|change| change.apply(&mut object));
        let patch = serde_json::json!({"status": object["status"]});
        let params = PatchParams { dry_run: true, ..PatchParams::default() };
        let name = text(&object["metadata"]["name"]).to_owned();
        let outcome = self.api(&row.kind).patch_status(&name, &params, &Patch::Merge(patch)).await;
        self.judge(row, outcome);
        self.gone(&row.kind, &name).await;
    }

    async fn change(&mut self, row: &Row) {
        let mut object = sample(&row.kind);
        row.first.iter().for_each(|change| change.apply(&mut object));
        self.stored(&row.kind, &object).await;
        row.change.iter().for_each(|change| change.apply(&mut object));
        let name = text(&object["metadata"]["name"]).to_owned();
        let api = self.api(&row.kind);
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        // The hub may write the object's status between our reading and our writing.
        for _ in 0..10 {
            let now = api.get(&name).await.unwrap();
            object["metadata"]["resourceVersion"] = now.metadata.resource_version.into();
            let outcome = api.replace(&name, &dry, &parse(&object)).await;
            if !matches!(&outcome, Err(Error::Api(status)) if status.code == 409) {
                self.judge(row, outcome);
                break;
            }
        }
        self.gone(&row.kind, &name).await;
    }

    async fn stored(&self, kind: &str, object: &Value) {
        self.api(kind).create(&PostParams::default(), &parse(object)).await.unwrap();
    }

    async fn gone(&self, kind: &str, name: &str) {
        let api = self.api(kind);
        api.delete(name, &DeleteParams::default()).await.unwrap();
        for _ in 0..100 {
            if api.get_opt(name).await.unwrap().is_none() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{kind} {name} doesn't go away");
    }
}

/// Whether a refusal points at a field. The root has no path.
fn names(message: &str, path: &str) -> bool {
    path.is_empty() || message.contains(&format!("{path}: "))
}

fn parse(object: &Value) -> DynamicObject {
    serde_json::from_value(object.clone()).unwrap()
}

fn rows(text: &str) -> Vec<Row> {
    serde_norway::from_str(text).unwrap()
}

#[test]
fn the_real_api_server_refuses_what_the_api_tests_say_in_the_same_words() {
    let w = world();
    let _ = w.stage.hub.try_kubectl(&["create", "namespace", NAMESPACE], None).unwrap();
    let kubeconfig = std::fs::read_to_string(w.stage.hub.kubeconfig().unwrap()).unwrap();
    let wrong = w.block_on(async {
        let kubeconfig = Kubeconfig::from_yaml(&kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let mut table = Table { client: Client::try_from(config).unwrap(), wrong: String::new() };
        for row in rows(include_str!("../../../../operator/api/tests/table/creations.yaml")) {
            if row.change[0].pointer().starts_with("/status") {
                table.status(&row).await;
            } else {
                table.creation(&row).await;
            }
        }
        for row in rows(include_str!("../../../../operator/api/tests/table/changes.yaml")) {
            table.change(&row).await;
        }
        table.wrong
    });
    w.stage.hub.kubectl(&["delete", "namespace", NAMESPACE, "--timeout=60s"]).unwrap();
    assert!(wrong.is_empty(), "\n{wrong}");
}
