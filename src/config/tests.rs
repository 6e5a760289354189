//! The config as a whole: the shipped file is valid and complete, every problem is found at once and
//! shown as people will read it, and nothing secret is shown.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::embedded;
use super::*;

/// Reads a main file, with others beside it, in a folder of its own.
fn load_with(main: &str, others: &[(&str, &str)]) -> (tempfile::TempDir, Result<Loaded, Report>) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in others.iter().copied().chain([("wirewatch.toml", main)]) {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    let place = ConfigPlace::File(folder.path().join("wirewatch.toml"));
    let loaded = Config::load(&place, &Environment::default());
    (folder, loaded)
}

fn load(main: &str) -> Result<Loaded, Report> {
    load_with(main, &[]).1
}

/// The report on a config that must be refused, with the folder's name taken out.
fn refused(main: &str, others: &[(&str, &str)]) -> String {
    let (folder, loaded) = load_with(main, others);
    let report = loaded.err().unwrap_or_else(|| panic!("accepted:\n{main}"));
    report.render(Look::Plain).replace(&format!("{}/", folder.path().display()), "")
}

/// What is wrong, without the quoted lines.
fn whats(main: &str) -> Vec<String> {
    let report = load(main).err().unwrap_or_else(|| panic!("accepted:\n{main}"));
    report
        .problems()
        .iter()
        .filter(|p| p.severity == Severity::Error)
        .map(|p| format!("{} ({})", p.what, p.why))
        .collect()
}

#[test]
fn sample() {
    let text = refused(
        "[polling]\nconnect_timeout = 10\nfetch_max = 3\n[[feeds]]\nid = \"a\"\nurl = \"ftp://x/\"\ninterval = \"10s\"\n[[feeds]]\nid = \"a\"\nurl = \"https://x/?q=1\"\n[[endpoints]]\nid = \"E\"\nurl='https://u:p@h/'\nsecret = \"whsec_abc\"\ntopics = [\"sanction\"]\n[[topics]]\nid=\"sanctions\"\nterms = [{match='x', wieght=2}]\n[http]\nlisten='0.0.0.0:80'",
        &[],
    );
    println!("{text}");
    println!("{}", refused("a = \nb = 1\nc = [1,\n[x\n[[feeds]]\nid = 3", &[]));
}
