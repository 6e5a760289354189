//! `receive`: a small receiver that verifies signatures and prints alerts, to try things out with.

use std::path::Path;

use axum::http::StatusCode;
use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::error::{IO, UNAVAILABLE};
use super::{CliError, Context};
use crate::app::{DaemonRequest, Signals};
use crate::deliver::console::{Console, Style};
use crate::deliver::secret::Secret;
use crate::deliver::sign::Signer;
use crate::receiver::{Receiver, ReceiverOutput};

/// Receives webhooks on this machine, verifies their signatures and prints the alerts.
#[derive(Debug, Args)]
pub struct ReceiveArgs {
    /// Port on 127.0.0.1; 0 takes any.
    #[arg(long, default_value_t = 9200)]
    port: u16,
    /// The endpoint's secret, as `whsec_…` or as the file that holds it. Without one nothing is verified.
    #[arg(long, value_name = "FILE|whsec_…", env = "WIREWATCH_RECEIVE_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// Answer verified requests with this status, to see what a sender does.
    #[arg(long, default_value_t = 204)]
    answer: u16,
    /// Print JSON Lines.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`] for a bad secret or status, or when the port is taken.
pub fn run(args: &ReceiveArgs, context: &Context) -> Result<(), CliError> {
    let signer = args.secret.as_deref().map(signer).transpose()?;
    let answer = StatusCode::from_u16(args.answer)
        .map_err(|_| CliError::usage(format!("answer with {}: use a status from 100 to 999", args.answer)))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new(IO, format!("start the runtime: {error}")))?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", args.port)).await.map_err(|error| {
            CliError::new(UNAVAILABLE, format!("listen on 127.0.0.1:{}: {error}", args.port)).hint("name another --port")
        })?;
        let address = listener.local_addr().map_err(|error| CliError::new(IO, format!("listen: {error}")))?;
        let verified = if signer.is_some() { "signatures are verified" } else { "signatures are NOT verified" };
        errln!("receiving on http://{address}/, {verified}; stop with Ctrl-C");
        let show = if args.json { ReceiverOutput::JsonLines } else { ReceiverOutput::People(Style::stdout()) };
        let receive = Receiver { listener, signer, clock: context.clock.clone(), console: Console::stdout(), show, answer };
        let cancel = CancellationToken::new();
        let mut signals = Signals::new().map_err(|error| CliError::new(IO, format!("set signal handlers: {error}")))?;
        tokio::select! {
            served = receive.run(cancel.clone()) => served.map_err(|error| CliError::new(IO, format!("receive: {error}"))),
            () = async { while signals.next().await != DaemonRequest::Stop {} } => Ok(()),
        }
    })
}

/// The message names what is wrong with the secret, never the secret.
fn signer(text: &str) -> Result<Signer, CliError> {
    let bad = |error: String| CliError::usage(format!("use the secret: {error}"));
    let secret = if text.starts_with("whsec_") {
        Secret::parse(text).map_err(|error| bad(error.to_string()))?
    } else {
        Secret::from_file(Path::new(text)).map_err(|error| bad(error.to_string()))?
    };
    Signer::new(&[secret]).map_err(|error| bad(error.to_string()))
}
