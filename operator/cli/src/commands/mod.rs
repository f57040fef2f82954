//! One file for each command, or for a few that are one act and its opposite.

mod approve;
mod cordon;
mod doctor;
mod drain;
mod events;
mod exec;
mod explain;
mod fetch;
mod forward;
mod invite;
mod job;
mod join;
mod leave;
mod logs;
mod market;
mod money;
mod quote;
mod version;

use clap::CommandFactory as _;

use crate::{
    arguments::{Cli, Command},
    error::Result,
    hub::Hub,
    output,
};

/// Does what the command line says.
pub async fn run(cli: Cli) -> Result<()> {
    if let Command::Completion { shell } = cli.command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "kubectl-eai", &mut script);
        return output::say(String::from_utf8_lossy(&script).trim_end());
    }
    let hub = match Hub::connect(&cli.hub).await {
        Ok(hub) => hub,
        Err(error) if matches!(cli.command, Command::Version) => return version::alone(cli.output, &error),
        Err(error) => return Err(error),
    };
    match &cli.command {
        Command::Completion { .. } => Ok(()),
        Command::Version => version::run(&hub, cli.output).await,
        Command::Doctor => doctor::run(&hub, &cli).await,
        Command::Invite(arguments) => invite::run(&hub, arguments).await,
        Command::Join(arguments) => join::run(&hub, arguments).await,
        Command::Approve { member } => approve::run(&hub, member).await,
        Command::Cordon { member } => cordon::cordon(&hub, member).await,
        Command::Uncordon { member } => cordon::uncordon(&hub, member).await,
        Command::Drain { member, within } => drain::run(&hub, member, *within).await,
        Command::Leave(arguments) => leave::run(&hub, arguments).await,
        Command::Nodes => market::nodes(&hub, cli.output).await,
        Command::Price { class } => market::prices(&hub, class.as_deref(), cli.output).await,
        Command::Deposit(arguments) => money::deposit(&hub, &cli.chain, arguments, cli.output).await,
        Command::Balance => money::balance(&hub, &cli.chain, cli.output).await,
        Command::Withdraw { amount, to, .. } => money::withdraw(&hub, &cli.chain, *amount, *to, cli.output).await,
        Command::Authorize(arguments) => money::authorize(&hub, &cli.chain, arguments, cli.output).await,
        Command::Revoke => money::revoke(&hub, &cli.chain, cli.output).await,
        Command::Earnings => money::earnings(&hub, &cli.chain, cli.output).await,
        Command::Status { job } => job::status(&hub, job, cli.output).await,
        Command::Cancel { job } => job::cancel(&hub, job).await,
        Command::Explain { job } => explain::run(&hub, job, cli.output).await,
        Command::Quote { file } => quote::run(&hub, file, cli.output).await,
        Command::Events(arguments) => events::run(&hub, arguments).await,
        Command::Exec(arguments) => exec::run(&hub, arguments).await,
        Command::PortForward(arguments) => forward::run(&hub, arguments).await,
        Command::Logs(arguments) => logs::run(&hub, arguments).await,
        Command::Fetch(arguments) => fetch::run(&hub, arguments, cli.output).await,
    }
}
