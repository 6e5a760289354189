//! The cases that are about endpoints, silences and edits rather than about events: who must have heard what.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use wirewatch::config::Config;
use wirewatch::model::{Lang, Score, Severity, SourceId, Timestamp, TopicId};
use wirewatch::pipeline::alert::{OnRevision, Silence};

use super::town::{Heard, Town, endpoint};
use super::{CaseVerdict, START};

type Failure = Box<dyn std::error::Error>;

/// Outlets of the file that brings one event many times.
const OUTLETS: usize = 400;

/// Tries what can be tried; the rest is told in words.
pub fn try_case(folder: &Path, id: &str, config: &Config) -> Result<(CaseVerdict, Vec<Heard>), Failure> {
    let mut town = Town::new(config)?;
    town.by_source = true;
    let trial = Trial { town, folder: folder.join("infra"), dropped: 0 };
    match id {
        "severity" => trial.pager(config, &["severity-1", "severity-2", "severity-3"]),
        "severity_same" => trial.pager(config, &["sevsame-1", "sevsame-2"]),
        "only_endpoint" => trial.floors(config),
        "language_floor" => trial.language(),
        "endpoint_filter" => trial.source_filter(),
        "silence_source" => trial.silence_source(),
        "silence_text" => trial.silence_text(),
        "silence_ends" => trial.silence_ends(),
        "on_revision" => trial.on_revision(config),
        "many_outlets" => trial.many_outlets(),
        _ => Ok((CaseVerdict::InWords, Vec::new())),
    }
}

struct Trial {
    town: Town,
    folder: std::path::PathBuf,
    dropped: u64,
}

type Outcome = Result<(CaseVerdict, Vec<Heard>), Failure>;

#[expect(clippy::unnecessary_wraps, reason = "it is how a case ends")]
fn judged(agrees: bool, why: &str, heard: Vec<Heard>) -> Outcome {
    let verdict = if agrees { CaseVerdict::Agrees } else { CaseVerdict::Differs(why.to_owned()) };
    Ok((verdict, heard))
}

fn first(heard: &[Heard], endpoint: &str) -> Option<usize> {
    heard.iter().position(|heard| heard.endpoint == endpoint && heard.reason == "first")
}

impl Trial {
    /// Five minutes after the one before: whatever waits for its story has gone out.
    fn drop(&mut self, name: &str) -> Result<(), Failure> {
        let file = format!("{name}.json");
        let at = self.now();
        self.dropped += 1;
        self.town.drop(&self.folder.join(&file), &file, Some(at))
    }

    fn now(&self) -> Timestamp {
        START.plus(Duration::from_secs(300 * self.dropped))
    }

    fn silence(&mut self, change: impl FnOnce(&mut Silence)) {
        let id = "by hand".to_owned();
        let (topics, sources) = (Vec::new(), Vec::new());
        let mut silence = Silence { id, topics, sources, story: None, text: None, starts: None, ends: None };
        change(&mut silence);
        self.town.ledger.silences.push(silence);
    }

    /// An endpoint with a floor of severity hears of the story, as something new to it, when that rises to the floor. By
    /// the bands of the shipped topics nothing is critical: the floor below is tried as well.
    fn pager(mut self, config: &Config, files: &[&str]) -> Outcome {
        let (mut all, mut reached) = (Vec::new(), false);
        for floor in [Severity::Critical, Severity::High] {
            self.town = Town::new(config)?;
            let mut pager = endpoint("pager")?;
            pager.severity_min = floor;
            self.town.rules.alert.routes.push(pager);
            for file in files {
                self.drop(file)?;
            }
            let heard = std::mem::replace(&mut self.town, Town::new(config)?).end();
            let loud = |heard: &&Heard| heard.endpoint == "desk" && heard.is_at_least(floor);
            let risen = heard.iter().find(loud).map(|heard| heard.at);
            let paged = first(&heard, "pager").map(|at| heard[at].at);
            if risen != paged {
                return judged(false, "the pager did not hear when the story rose to its floor", heard);
            }
            reached |= risen.is_some();
            all.extend(heard);
        }
        judged(reached, "the story never rose", all)
    }

    /// An endpoint with a floor of score or severity, and no other, hears of a story that reaches it.
    fn floors(mut self, config: &Config) -> Outcome {
        let mut all = Vec::new();
        for (by_score, files) in [(true, "floor-score"), (false, "floor-sev")] {
            let mut only = endpoint("only")?;
            if by_score {
                only.score_min = Score::from_f64(20.0);
            } else {
                only.severity_min = Severity::High;
            }
            self.town = Town::new(config)?;
            self.town.rules.alert.routes = vec![only];
            self.drop(&format!("{files}-1"))?;
            let before = self.town.heard().len();
            self.drop(&format!("{files}-2"))?;
            let heard = std::mem::replace(&mut self.town, Town::new(config)?).end();
            if before > 0 || first(&heard, "only").is_none() {
                return judged(false, &format!("not told of the story that rose ({files})"), heard);
            }
            all.extend(heard);
        }
        judged(true, "", all)
    }

    fn language(mut self) -> Outcome {
        let mut english = endpoint("english")?;
        english.languages = vec![Lang::EN];
        self.town.rules.alert.routes.push(english);
        self.drop("lang-1")?;
        self.drop("lang-2")?;
        let heard = self.town.end();
        let told = first(&heard, "english").is_some_and(|at| heard[at].file == "lang-2.json");
        judged(told, "the English endpoint did not hear of the English report", heard)
    }

    fn source_filter(mut self) -> Outcome {
        let mut one = endpoint("one-source")?;
        one.sources = vec![SourceId::new("northwire")?];
        self.town.rules.alert.routes.push(one);
        self.drop("silsrc-1")?;
        self.drop("epf-1")?;
        let heard = self.town.end();
        let told = first(&heard, "one-source").is_some_and(|at| heard[at].file == "epf-1.json");
        judged(told, "the endpoint of one source did not hear what that source reports", heard)
    }

    fn silence_source(mut self) -> Outcome {
        let source = SourceId::new("northwire")?;
        self.silence(|silence| silence.sources = vec![source]);
        self.drop("silsrc-0")?;
        self.drop("silsrc-1")?;
        let heard = self.town.end();
        let told = first(&heard, "desk").is_some_and(|at| heard[at].file == "silsrc-1.json");
        judged(told, "the silence of one source silenced the story of another", heard)
    }

    fn silence_text(mut self) -> Outcome {
        self.silence(|silence| silence.text = Some("exercise".to_owned()));
        self.drop("siltext-1")?;
        self.drop("siltext-2")?;
        let heard = self.town.end();
        let told = first(&heard, "desk").is_some_and(|at| heard[at].file == "siltext-2.json");
        judged(told, "the silence of one headline silenced the report that lacks its word", heard)
    }

    fn silence_ends(mut self) -> Outcome {
        let topic = TopicId::new("sanctions")?;
        let ends = self.now().plus(Duration::from_secs(500));
        self.silence(|silence| (silence.topics, silence.ends) = (vec![topic], Some(ends)));
        for file in ["silend-1", "silend-2", "silend-3"] {
            self.drop(file)?;
        }
        let after = self.now() > ends;
        let heard = self.town.end();
        let told = heard.len() == 1 && first(&heard, "desk").is_some_and(|at| heard[at].file == "silend-3.json");
        judged(after && told, "a story that went on after the silence was not told, or one in it was", heard)
    }

    fn on_revision(mut self, config: &Config) -> Outcome {
        let mut all = Vec::new();
        let ways = [("never", OnRevision::Never), ("new-topic", OnRevision::NewTopic), ("title", OnRevision::Title)];
        for (name, way) in ways {
            self.town = Town::new(config)?;
            self.town.rules.alert.on_revision = way;
            for number in 1..=3 {
                self.drop(&format!("onrev-{name}-{number}"))?;
            }
            let heard = std::mem::replace(&mut self.town, Town::new(config)?).end();
            let of_file =
                |number: u8| heard.iter().filter(move |heard| heard.file.ends_with(&format!("-{number}.json")));
            let right = match way {
                OnRevision::Never => heard.len() == 1,
                OnRevision::NewTopic => of_file(1).count() == 1 && of_file(3).any(|heard| heard.reason == "revision"),
                OnRevision::Title => of_file(1).count() == 1 && of_file(2).count() == 1,
            };
            if !right {
                return judged(false, &format!("on_revision = {name:?} is not kept to"), heard);
            }
            all.extend(heard);
        }
        judged(true, "", all)
    }

    /// One file that brings one event as each of many outlets reports it.
    fn many_outlets(mut self) -> Outcome {
        let verbs = ["adopts", "approves", "agrees on", "passes"];
        let item = |number: usize| {
            let verb = verbs[number % verbs.len()];
            json!({
                "id": format!("{number}"),
                "title": format!("EU {verb} new sanctions package against Russia"),
                "text": format!(
                    "Ministers of the European Union met in Brussels and the Union {verb} its new package of sanctions \
                     against Russia, which lists ninety ships and six banks. The paper of town {number} was told so."
                ),
                "url": format!("https://paper{number}.example/news/package"),
                "source": format!("paper{number}"),
            })
        };
        let items: Vec<_> = (0..OUTLETS).map(item).collect();
        let file = serde_json::to_vec(&items)?;
        self.town.by_source = false;
        self.town.rules.alert.growth_steps = vec![5, 20];
        self.town.drop_bytes(&file, "many.json", Some(START))?;
        let heard = self.town.end();
        judged((1..=2).contains(&heard.len()), "more than one alert, or two, or none", heard)
    }
}
