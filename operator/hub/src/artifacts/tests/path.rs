use proptest::prelude::*;

use super::super::path::*;

const ROOT: &str = "/apis/artifacts.eai.network/v1alpha1";

fn artifact(path: &str) -> Option<Artifact> {
    match parse(path) {
        Some(Target::Artifact(artifact)) => Some(artifact),
        _ => None,
    }
}

#[test]
fn paths_that_are_known() {
    assert_eq!(parse("/healthz"), Some(Target::Health));
    assert_eq!(parse("/apis"), Some(Target::Groups));
    assert_eq!(parse("/apis/artifacts.eai.network"), Some(Target::Group));
    assert_eq!(parse(ROOT), Some(Target::Resources));
    assert_eq!(parse("/openapi/v2"), Some(Target::OpenApiV2));
    let log = artifact(&format!("{ROOT}/namespaces/ns/aijobs/a.b-c/log")).unwrap();
    assert_eq!((log.owner, log.what, log.name.as_str()), (Owner::AIJob, What::Log, "a.b-c"));
    let output = artifact(&format!("{ROOT}/namespaces/cn-m/assignments/u-g1-a1/outputs/model")).unwrap();
    assert_eq!((output.owner, output.what), (Owner::Assignment, What::Output("model".to_owned())));
}

#[test]
fn paths_that_are_not() {
    let bad = [
        "",
        "/",
        "apis",
        "//apis",
        "/apis/",
        "/apis/apps/v1",
        "/apis/artifacts.eai.network/v1",
        "/apis/artifacts.eai.network/v1alpha1/",
    ];
    let bad_below = [
        "namespaces/ns/aijobs/j",
        "namespaces/ns/aijobs/j/",
        "namespaces/ns/aijobs/j/status",
        "namespaces/ns/pods/j/log",
        "namespaces/ns/aijobs/j/log/x",
        "namespaces/ns/aijobs/j/outputs",
        "namespaces/ns/aijobs/j/outputs/",
        "namespaces/ns/aijobs/j/outputs/a/b",
        "namespaces/ns/aijobs/../log",
        "namespaces/../aijobs/j/log",
        "namespaces/ns/aijobs/j/outputs/..",
        "namespaces/ns/aijobs/j/outputs/%2e%2e",
        "namespaces/ns/aijobs/j%2Fk/log",
        "namespaces/ns/aijobs/J/log",
        "namespaces/n.s/aijobs/j/log",
        "namespaces/ns/aijobs/-j/log",
        "namespaces/ns/aijobs/j./log",
        "namespaces/ns/aijobs/j\0/log",
        "aijobs/j/log",
    ];
    for path in bad.iter().map(|p| (*p).to_owned()).chain(bad_below.iter().map(|p| format!("{ROOT}/{p}"))) {
        assert_eq!(parse(&path), None, "{path:?}");
    }
}

proptest! {
    #[test]
    fn what_is_parsed_writes_back_to_the_same_path(path in "(/[a-z0-9.%/-]{0,12}){0,9}") {
        let path = format!("{ROOT}{path}");
        if let Some(a) = artifact(&path) {
            let owner = match a.owner { Owner::AIJob => "aijobs", Owner::Assignment => "assignments" };
            let what = match a.what { What::Log => "log".to_owned(), What::Checkpoint => "checkpoint".to_owned(), What::Output(name) => format!("outputs/{name}") };
            prop_assert_eq!(format!("{ROOT}/namespaces/{}/{owner}/{}/{what}", a.namespace, a.name), path);
        }
    }

    #[test]
    fn no_name_that_is_parsed_could_leave_a_directory(
        namespace in ".{0,20}", name in ".{0,20}", output in ".{0,20}",
    ) {
        if let Some(a) = artifact(&format!("{ROOT}/namespaces/{namespace}/aijobs/{name}/outputs/{output}")) {
            let What::Output(output) = a.what else { panic!() };
            for text in [&a.namespace, &a.name, &output] {
                prop_assert!(!text.is_empty() && !text.contains(['/', '\\', '\0', '%']) && !text.contains(".."));
            }
        }
    }

    #[test]
    fn labels_are_those_of_dns(text in "[a-z0-9-]{0,70}") {
        let expected = !text.is_empty() && text.len() <= 63 && !text.starts_with('-') && !text.ends_with('-');
        prop_assert_eq!(is_label(&text), expected);
    }

    #[test]
    fn anything_may_come(path in ".*") {
        let _ = parse(&path);
    }
}
