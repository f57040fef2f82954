//! Where a job would run and what it would cost, without submitting it.

use std::{io::Read as _, path::Path};

use eai_api::{
    names::{ARTIFACTS_GROUP, GROUP, VERSION},
    quote::{Place, Quote},
};
use kube::api::{DynamicObject, ObjectMeta};
use serde::de::DeserializeOwned;

use crate::{
    error::{Error, Result},
    hub::Hub,
    output::{self, Format},
};

/// Quotes the job in `file`, `-` for standard input.
pub async fn run(hub: &Hub, file: &Path, format: Format) -> Result<()> {
    let job = prepared(hub, &read(file)?)?;
    let namespace = job.metadata.namespace.clone().unwrap_or_default();
    // The API server says what is wrong with it and fills in what it leaves out, as it would with the job itself.
    let dry = format!("/apis/{GROUP}/{VERSION}/namespaces/{namespace}/aijobs?dryRun=All&fieldValidation=Strict");
    let job: DynamicObject = post(hub, dry, &job).await?;
    let quotes = format!("/apis/{ARTIFACTS_GROUP}/{VERSION}/namespaces/{namespace}/quotes");
    let quote: Quote = post(hub, quotes, &job).await?;
    output::print(format, &quote, text)
}

async fn post<T: DeserializeOwned>(hub: &Hub, path: String, job: &DynamicObject) -> Result<T> {
    let body = serde_json::to_vec(job).map_err(|error| Error::Failed(error.to_string()))?;
    let request = http::Request::post(path).header(http::header::CONTENT_TYPE, "application/json");
    let request = request.body(body).map_err(|error| Error::Failed(error.to_string()))?;
    Ok(hub.client.request(request).await?)
}

fn read(file: &Path) -> Result<String> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map_err(Error::file("standard input"))?;
    } else {
        text = std::fs::read_to_string(file).map_err(Error::file(file))?;
    }
    Ok(text)
}

/// The one AIJob in `text`, under a name that no job has: asking about a job that is there is no conflict.
fn prepared(hub: &Hub, text: &str) -> Result<DynamicObject> {
    let mut jobs = Vec::new();
    for document in serde_norway::Deserializer::from_str(text) {
        let value: serde_json::Value = serde::Deserialize::deserialize(document)
            .map_err(|error| Error::Usage(format!("this is no YAML: {error}")))?;
        if value["kind"] == "AIJob" {
            jobs.push(value);
        }
    }
    let [job] = jobs.as_slice() else {
        return Err(Error::Usage(format!("name a file with one AIJob; this has {}", jobs.len())));
    };
    let mut job: DynamicObject =
        serde_json::from_value(job.clone()).map_err(|error| Error::Usage(format!("this is no AIJob: {error}")))?;
    let namespace = hub.namespace_or(job.metadata.namespace.take());
    job.metadata =
        ObjectMeta { generate_name: Some("quote-".to_owned()), namespace: Some(namespace), ..ObjectMeta::default() };
    Ok(job)
}

fn text(quote: &Quote) -> String {
    let mut lines = vec![quote.message.clone()];
    if let Some(place) = &quote.place {
        lines.push(output::fields(&price(place)));
    }
    if !quote.members.is_empty() {
        let rows: Vec<_> = quote
            .members
            .iter()
            .map(|member| {
                let rate = member.rate.map_or_else(|| "-".to_owned(), |rate| rate.to_string());
                [member.member.clone(), rate, member.refusal.clone().unwrap_or_else(|| "takes it".to_owned())]
            })
            .collect();
        lines.push(String::new());
        lines.push(output::table(["MEMBER", "EAI/UNIT-HOUR", "SAYS"], &rows));
    }
    lines.join("\n")
}

fn price(place: &Place) -> Vec<(&'static str, String)> {
    let (whole, rest) = (place.milli_units / 1000, place.milli_units % 1000);
    let units = if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:03}") };
    vec![
        ("Member", place.member.clone()),
        ("Price", format!("{} EAI per unit-hour of {}", place.rate, place.class)),
        ("Uses", format!("{units} {}: {} EAI an hour while it runs", place.class, place.hourly)),
        ("At most", format!("{} EAI in all", place.at_most)),
        ("Held first", format!("{} EAI; what isn't used comes back", place.hold)),
        ("Starts", format!("within {} s, as the member promises", place.start_within)),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::testing::{hub, made};

    const DRY: &str = "/apis/eai.network/v1alpha1/namespaces/vision/aijobs";
    const QUOTES: &str = "/apis/artifacts.eai.network/v1alpha1/namespaces/vision/quotes";

    fn quote() -> serde_json::Value {
        json!({ "apiVersion": "artifacts.eai.network/v1alpha1", "kind": "Quote", "reason": "Placed",
            "message": "It would go to home now.",
            "place": { "member": "home", "class": "nvidia.com/gpu", "rate": "1.5", "milliUnits": 2000, "hourly": "3",
                "atMost": "6", "hold": "0.5", "startWithin": 60 },
            "members": [{ "member": "home", "rate": "1.5" }, { "member": "cloud", "refusal": "is cordoned" }] })
    }

    #[tokio::test]
    async fn the_api_server_checks_the_job_and_nothing_is_made() {
        let (hub, log) = hub(|asked| match asked.path.split('?').next().unwrap() {
            DRY => {
                assert!(asked.path.ends_with("?dryRun=All&fieldValidation=Strict"));
                (201, made(&asked.body))
            }
            _ => (201, quote()),
        });
        let file = std::env::temp_dir().join(format!("kubectl-eai-quote-{}.yaml", std::process::id()));
        let text = "kind: Namespace\n---\napiVersion: eai.network/v1alpha1\nkind: AIJob\nmetadata: {name: digits}\n\
                    spec: {maxPrise: 1}\n";
        std::fs::write(&file, text).unwrap();
        let asked = run(&hub, &file, Format::Json).await;
        std::fs::remove_file(&file).unwrap();
        asked.unwrap();
        assert_eq!(log.lines(), [format!("POST {DRY}"), format!("POST {QUOTES}")]);
        let job = log.body("POST", DRY);
        assert_eq!(
            job["spec"]["maxPrise"], 1,
            "what is misspelt is the API server's to refuse, so it is sent as it is"
        );
        assert_eq!((&job["metadata"]["name"], &job["metadata"]["generateName"]), (&json!(null), &json!("quote-")));
        assert_eq!(log.body("POST", QUOTES)["metadata"]["uid"], "made-here", "as the API server filled it in");
    }

    #[tokio::test]
    async fn a_file_has_one_job() {
        let (hub, _) = hub(|_| (500, json!(null)));
        for text in ["", "kind: Pod", "kind: AIJob\n---\nkind: AIJob", "{"] {
            assert_eq!(prepared(&hub, text).unwrap_err().exit_code(), 2, "{text}");
        }
    }

    #[test]
    fn shows_the_price_and_who_says_what() {
        let text = text(&serde_json::from_value(quote()).unwrap());
        for line in ["Uses:", "2 nvidia.com/gpu: 3 EAI an hour", "home     1.5", "cloud    -               is cordoned"]
        {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
