//! The shell blocks of README and docs that are marked ```` ```sh run ```` are run as they stand, page by page,
//! each in a folder of its own with the program on the path.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Before it in a block stands what a command prints: `# prints: levee`.
const PRINTS: &str = "# prints: ";
/// Between what one command prints and the next.
const MARK: &str = "@@@";

/// The blocks of a page, put together in order; and of each command whose output is told, what it must have.
fn script(page: &str) -> (String, Vec<Vec<String>>) {
    let (mut out, mut inside, mut told, mut after_told) = (String::new(), false, Vec::<Vec<String>>::new(), false);
    for line in page.lines() {
        match line.trim_end() {
            "```sh run" => inside = true,
            "```" => inside = false,
            line if inside && line.starts_with(PRINTS) => {
                if !after_told {
                    writeln!(out, "echo {MARK}").expect("a string takes it");
                    told.push(Vec::new());
                }
                told.last_mut().expect("one").push(line[PRINTS.len()..].to_owned());
                after_told = true;
            }
            line if inside => {
                after_told = false;
                out.push_str(line);
                out.push('\n');
            }
            _ => {}
        }
    }
    (out, told)
}

#[test]
fn blocks_marked_as_runnable_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_BIN_EXE_wirewatch")).parent().expect("a folder");
    let listed =
        |folder: &str| fs::read_dir(root.join(folder)).expect("listed").map(|entry| entry.expect("an entry").path());
    let mut pages: Vec<_> = ["docs", "docs/guide"].into_iter().flat_map(listed).collect();
    pages.push(root.join("README.md"));
    let mut run = 0;
    for page in pages.iter().filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        let (script, told) = script(&fs::read_to_string(page).expect("read"));
        if script.is_empty() {
            continue;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
        let output = Command::new("sh")
            .args(["-eu", "-c", &format!("exec 2>&1\n{script}")])
            .env_clear()
            .env("PATH", path)
            .env("HOME", folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("a shell");
        let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
        assert!(output.status.success(), "{}:\n{script}\n{said}", page.display());
        for (shown, expected) in said.split(&format!("{MARK}\n")).zip(&told) {
            for words in expected {
                assert!(shown.contains(words), "{}: no `{words}` in\n{shown}", page.display());
            }
        }
        run += 1;
    }
    assert!(run >= 1, "no page has runnable blocks");
}
