//! Commands in running jobs: who may, which jobs, and what is on record.

use eai_api::session::Wish;
use eai_runtime::stream::Link;
use serde_json::json;

use super::{
    sessions::{Hub, asked, begin, bounds, refusal, until},
    world::{VENDOR, read_path},
};

fn exec() -> Wish {
    Wish::Exec { index: 0, command: vec!["nvidia-smi".to_owned(), "-L\u{1b}".to_owned()], stdin: false }
}

/// A hub whose vendor may do anything with a job that allows commands.
async fn hub_with_rights() -> Hub {
    let hub = Hub::new(bounds()).await;
    hub.world.api.job.lock().unwrap()["spec"]["allowExec"] = json!(true);
    for what in ["exec", "portforward"] {
        hub.world.api.allowed.lock().unwrap().insert(format!("{VENDOR} create aijobs/{what} research digits"));
    }
    hub
}

#[tokio::test]
async fn commands_and_ports_take_more_than_a_right_to_look() {
    let hub = hub_with_rights().await;
    let _standing = hub.standing().await;
    hub.world.api.allowed.lock().unwrap().retain(|line| !line.contains("create"));
    let refused = refusal(hub.vendor(&exec()).await, 403);
    assert!(refused.contains("may not create aijobs/exec for AIJob digits"), "{refused}");
    let port = Wish::PortForward { index: 0, port: 80 };
    assert!(refusal(hub.vendor(&port).await, 403).contains("aijobs/portforward"));
    assert!(hub.world.api.events.lock().unwrap().is_empty());
}

#[tokio::test]
async fn commands_are_for_jobs_that_allow_them() {
    let hub = hub_with_rights().await;
    let _standing = hub.standing().await;
    for command in [Vec::new(), vec!["x".to_owned(); 65], vec!["x".repeat(5000)]] {
        refusal(hub.vendor(&Wish::Exec { index: 0, command, stdin: false }).await, 400);
    }
    hub.world.api.job.lock().unwrap()["spec"]["allowExec"] = json!(false);
    assert!(refusal(hub.vendor(&exec()).await, 403).contains("spec.allowExec"));
    assert!(hub.world.api.events.lock().unwrap().is_empty());
}

#[tokio::test]
async fn each_command_is_an_event_when_it_begins_and_when_it_has_ended() {
    let hub = hub_with_rights().await;
    let mut standing = hub.standing().await;
    let wish = exec();
    let (vendor, agent) = tokio::join!(hub.vendor(&wish), async {
        let open = asked(&mut standing).await;
        assert_eq!(open.wish, exec());
        let events = hub.world.api.events.lock().unwrap().clone();
        assert_eq!(events, ["ExecBegan vendor runs: nvidia-smi -L "], "it is on record before it begins");
        let mut agent = Link::new(hub.agent(&open.session).await.unwrap(), bounds().pace);
        agent.send(begin(0)).await.unwrap();
        agent
    });
    drop((vendor.unwrap(), agent));
    until(|| hub.world.api.events.lock().unwrap().len() == 2).await;
    let ended = hub.world.api.events.lock().unwrap()[1].clone();
    assert!(ended.starts_with("ExecEnded after 0 s") && ended.ends_with("vendor ran: nvidia-smi -L "), "{ended}");
}

#[tokio::test]
async fn a_command_that_cannot_be_put_on_record_is_not_run_and_one_that_may_not_have_run_is_said_so() {
    let hub = hub_with_rights().await;
    let refused = refusal(hub.vendor(&exec()).await, 502);
    assert!(refused.contains("isn't connected"), "{refused}");
    until(|| hub.world.api.events.lock().unwrap().len() == 2).await;
    assert!(hub.world.api.events.lock().unwrap()[1].contains("it may not have been run: member m isn't connected"));
}

#[tokio::test]
async fn a_wish_for_something_else_than_the_path_is_refused() {
    let hub = hub_with_rights().await;
    let wish = "%7B%22Exec%22%3A%7B%22index%22%3A0%2C%22command%22%3A%5B%22id%22%5D%7D%7D";
    for path in ["events", "portforward"] {
        let refused = hub.world.get(VENDOR, &read_path(&format!("{path}?wish={wish}"))).await;
        assert!(refused.refusal(400).contains("something else"));
    }
}
