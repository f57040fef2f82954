//! A cluster that commands can be run against: one of the testbed's, or one given by a kubeconfig.

use std::{path::PathBuf, process::Command};

use eai_testbed::{ClusterName, Testbed};
use serde_json::Value;

use crate::{
    error::{Error, Result},
    run,
};

/// A cluster and the way to it.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// What it is called here; a member's name in the federation.
    pub name: String,
    access: Access,
}

#[derive(Clone, Debug)]
enum Access {
    /// In a network namespace of its own; `home` can be reached from nowhere else.
    Testbed(Box<Testbed>, ClusterName),
    /// By a kubeconfig that works from here.
    Kubeconfig(PathBuf),
}

impl Cluster {
    /// One of the testbed's.
    pub fn of_testbed(testbed: &Testbed, name: ClusterName) -> Self {
        Self { name: name.to_string(), access: Access::Testbed(Box::new(testbed.clone()), name) }
    }

    /// One that exists already.
    pub fn existing(name: impl Into<String>, kubeconfig: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), access: Access::Kubeconfig(kubeconfig.into()) }
    }

    /// The testbed's name of it, if it is one of the testbed's.
    pub fn testbed(&self) -> Option<(&Testbed, ClusterName)> {
        match &self.access {
            Access::Testbed(testbed, name) => Some((testbed, *name)),
            Access::Kubeconfig(_) => None,
        }
    }

    /// The path of its kubeconfig.
    pub fn kubeconfig(&self) -> Result<PathBuf> {
        match &self.access {
            Access::Testbed(testbed, name) => Ok(testbed.cluster(*name)?.kubeconfig()),
            Access::Kubeconfig(path) => Ok(path.clone()),
        }
    }

    /// A command that sees this cluster as its own.
    pub fn command(&self, program: &str) -> Result<Command> {
        match &self.access {
            Access::Testbed(testbed, name) => Ok(testbed.cluster(*name)?.command(program)),
            Access::Kubeconfig(path) => {
                let mut command = Command::new(program);
                command.env("KUBECONFIG", path);
                Ok(command)
            }
        }
    }

    /// Runs `kubectl` and returns what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        run::output(self.command("kubectl")?.args(arguments))
    }

    /// Runs `kubectl` where a failure is an answer too; returns the exit code and all that it printed.
    pub fn try_kubectl(&self, arguments: &[&str], input: Option<&str>) -> Result<(i32, String)> {
        run::attempt_text(self.command("kubectl")?.args(arguments), input)
    }

    /// Applies manifests.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        run::output_with_input(self.command("kubectl")?.args(["apply", "-f", "-"]), manifests)
    }

    /// An object, or a list, as JSON.
    pub fn get(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.kubectl(&[&["get", "-o", "json"], arguments].concat())?;
        serde_json::from_str(&text)
            .map_err(|error| Error::unexpected(format!("kubectl get {}", arguments.join(" ")), error))
    }

    /// Runs `helm` and returns what it printed.
    pub fn helm(&self, arguments: &[&str]) -> Result<String> {
        run::output(self.command("helm")?.args(arguments))
    }
}
