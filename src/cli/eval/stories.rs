//! `eval stories`: the stories of a labelled stream against those that the pipeline forms of it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::Value;

use super::super::error::IO;
use super::super::output::{self, Table};
use super::{CliError, quality_row};
use crate::eval::stories::{b_cubed, pairwise, purity};
use crate::model::StoryId;
use crate::text::counted;

pub(super) fn write_assignments(out: &Path, items: &[Value], found: &[Option<StoryId>]) -> Result<(), CliError> {
    let fail = |e: io::Error| CliError::new(IO, format!("write {}: {e}", out.display()));
    let mut file = BufWriter::new(File::create(out).map_err(fail)?);
    for (item, story) in items.iter().zip(found) {
        writeln!(file, "{}", serde_json::json!({ "id": item["id"], "cluster": story })).map_err(fail)?;
    }
    file.flush().map_err(fail)
}

pub(super) fn stories_quality(items: &[Value], found: &[Option<StoryId>], json: bool) -> Result<(), CliError> {
    // An item without a story stands alone.
    let nobody = |number: usize| format!("none {number}");
    let labelled: Vec<(String, String)> = items
        .iter()
        .zip(found)
        .enumerate()
        .filter_map(|(number, (item, story))| {
            let cluster = match &item["cluster"] {
                Value::Null => return None,
                Value::String(cluster) => cluster.clone(),
                other => other.to_string(),
            };
            Some((cluster, story.map_or_else(|| nobody(number), |story| story.to_string())))
        })
        .collect();
    let borrowed: Vec<(&str, &str)> = labelled.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let (b, p) = (b_cubed(&borrowed), pairwise(&borrowed));
    let mut sizes: HashMap<StoryId, usize> = HashMap::new();
    found.iter().flatten().for_each(|story| *sizes.entry(*story).or_default() += 1);
    let largest = sizes.values().max().copied().unwrap_or(0);
    let clusters: Vec<Option<&str>> = items.iter().map(|item| item["cluster"].as_str()).collect();
    let members: Vec<(Option<&str>, StoryId)> =
        clusters.into_iter().zip(found).filter_map(|(cluster, story)| Some((cluster, (*story)?))).collect();
    let pure = purity(&members);
    if json {
        return Ok(output::document(&serde_json::json!({
            "items": items.len(), "labelled": borrowed.len(), "stories": sizes.len(), "largest": largest,
            "b_cubed": b, "pairwise": p, "purity": pure,
        }))?);
    }
    let mut table = Table::new(&["MEASURE", "PRECISION", "RECALL", "F1"]);
    quality_row(&mut table, "B-cubed", b);
    quality_row(&mut table, "pairwise", p);
    table.print("")?;
    let (items, stories) = (counted(items.len() as u64, "item"), counted(sizes.len() as u64, "story"));
    outln!("{items}, {} labelled, {stories}, the largest of {largest}", borrowed.len());
    outln!(
        "{:.1} % of the members of labelled stories belong to another cluster or to none; {} of {} stories of 3 or more are mixed",
        pure.foreign_share * 100.0,
        pure.mixed,
        pure.stories
    );
    Ok(())
}
