//! Planted bugs: each breaks one promise, and one of the other ways must notice. What is missed shows where
//! the proofs are blind. Works on debug builds only: a release build has no bugs to plant.

use std::io;
use std::path::Path;

use serde::Serialize;
use wirewatch::failpoint::Planted;

use super::{cycles, power, writes};

/// Cycles until a bug must have been noticed.
const CYCLES: u64 = 12;

/// How a bug is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    Cycles,
    Writes,
    Power,
}

/// What came of one bug.
#[derive(Debug, Serialize)]
pub struct Verdict {
    pub bug: &'static str,
    /// The way that noticed it, and what it said.
    pub caught: Option<(String, String)>,
}

/// Runs the ways until one notices.
///
/// # Errors
/// Those of the surroundings.
pub async fn run(program: &Path, dir: &Path, seed: u64, progress: bool) -> io::Result<Vec<Verdict>> {
    let mut verdicts = Vec::new();
    for bug in Planted::ALL {
        let mut caught = None;
        for way in ways(bug) {
            if progress {
                eprintln!("{}: {way:?}", bug.as_str());
            }
            caught =
                try_way(way, bug, (program, dir, seed)).await?.map(|said| (format!("{way:?}").to_lowercase(), said));
            if caught.is_some() {
                break;
            }
        }
        verdicts.push(Verdict { bug: bug.as_str(), caught });
    }
    Ok(verdicts)
}

/// The one that should notice comes first.
fn ways(bug: Planted) -> [Way; 3] {
    match bug {
        Planted::SyncOff | Planted::SyncNormal => [Way::Power, Way::Writes, Way::Cycles],
        Planted::RandomIds | Planted::DeliveredFirst | Planted::ToldElsewhere | Planted::AnsweredFirst => {
            [Way::Cycles, Way::Writes, Way::Power]
        }
        Planted::EtagFirst | Planted::MoveFirst | Planted::OutboxApart | Planted::ToldFirst => {
            [Way::Writes, Way::Power, Way::Cycles]
        }
        Planted::FenceOff
        | Planted::FenceOnce
        | Planted::ColdMemory
        | Planted::InboxFirst
        | Planted::ClaimWithoutTime => {
            unreachable!("several processes are what proof/cluster makes")
        }
    }
}

async fn try_way(way: Way, bug: Planted, (program, dir, seed): (&Path, &Path, u64)) -> io::Result<Option<String>> {
    let planted = Some(bug.as_str().to_owned());
    let findings = match way {
        Way::Cycles => {
            let plan =
                cycles::Plan { program, dir, seed, cycles: CYCLES, planted, stop_at_first: true, progress: false };
            cycles::run(&plan).await?.findings
        }
        Way::Writes => {
            let plan = writes::Plan { program, dir, seed, sample: None, planted, stop_at_first: true, progress: false };
            writes::run(&plan).await?.findings
        }
        Way::Power => {
            let plan = power::Plan { program, dir, seed, planted, random_images: 1, starts: 0, stop_at_first: true };
            power::run(&plan).await?.findings
        }
    };
    Ok(findings.into_iter().next().map(|finding| format!("{}: {}", finding.what, finding.detail)))
}
