#![allow(clippy::unwrap_used)]
use super::*;

fn config(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: a, user: u}}}}]\n\
         clusters: [{{name: a, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
    )
}

const CLUSTER: &str = "server: 'https://10.0.0.1:6443', certificate-authority-data: Zm9v";
const USER: &str = "token: abc";

#[test]
fn takes_a_server_and_a_token() {
    assert!(parse_strict(&config(CLUSTER, USER)).is_ok());
}

#[test]
fn takes_inline_certificates() {
    assert!(parse_strict(&config(CLUSTER, "client-certificate-data: YQ==, client-key-data: YQ==")).is_ok());
}

#[test]
fn names_the_field_of_everything_it_refuses() {
    let users = [
        ("exec: {command: /bin/sh, apiVersion: client.authentication.k8s.io/v1}", "users[0].user.exec"),
        ("auth-provider: {name: gcp, config: {}}", "users[0].user.auth-provider"),
        ("tokenFile: /var/run/token", "users[0].user.tokenFile"),
        ("client-certificate: /etc/a, client-key-data: YQ==", "users[0].user.client-certificate"),
        ("client-certificate-data: YQ==, client-key: /etc/a", "users[0].user.client-key"),
        ("username: a, password: b", "users[0].user.username"),
        ("token: abc, as: admin", "users[0].user.as"),
        ("token: abc, exec: {command: /bin/sh}", "users[0].user.exec"),
    ];
    for (user, field) in users {
        let error = parse_strict(&config(CLUSTER, user)).unwrap_err();
        assert!(matches!(&error, KubeconfigError::Refused { path, .. } if path == field), "{user}: {error}");
    }
    let clusters = [
        ("server: 'http://10.0.0.1', certificate-authority-data: Zm9v", "clusters[0].cluster.server"),
        ("certificate-authority-data: Zm9v", "clusters[0].cluster.server"),
        (
            "server: 'https://a', insecure-skip-tls-verify: true, certificate-authority-data: Zm9v",
            "clusters[0].cluster.insecure-skip-tls-verify",
        ),
        ("server: 'https://a', certificate-authority: /etc/ca", "clusters[0].cluster.certificate-authority"),
        (
            "server: 'https://a', certificate-authority-data: Zm9v, proxy-url: 'http://p'",
            "clusters[0].cluster.proxy-url",
        ),
    ];
    for (cluster, field) in clusters {
        let error = parse_strict(&config(cluster, USER)).unwrap_err();
        assert!(matches!(&error, KubeconfigError::Refused { path, .. } if path == field), "{cluster}: {error}");
    }
}

#[test]
fn misses_what_it_needs() {
    for (cluster, user, field) in [
        ("server: 'https://a'", USER, "clusters[0].cluster.certificate-authority-data"),
        (CLUSTER, "", "users[0].user.token"),
        (CLUSTER, "client-certificate-data: YQ==", "users[0].user.token"),
    ] {
        let error = parse_strict(&config(cluster, user)).unwrap_err();
        assert_eq!(error, KubeconfigError::Missing { path: field.to_owned() });
    }
}

#[test]
fn a_second_entry_is_checked_too() {
    let text = config(CLUSTER, USER).replace(
        "users: [",
        "users: [{name: evil, user: {exec: {command: /bin/sh, apiVersion: client.authentication.k8s.io/v1}}}, ",
    );
    let error = parse_strict(&text).unwrap_err();
    assert!(matches!(&error, KubeconfigError::Refused { path, .. } if path == "users[0].user.exec"), "{error}");
}

#[test]
fn rubbish_is_no_kubeconfig() {
    for text in ["", "[]", "{{", "a: b", "clusters: 3"] {
        assert!(parse_strict(text).is_err(), "{text}");
    }
}
