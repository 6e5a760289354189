//! Which names of the seed directory are taken, by `include` and `ignore` patterns and by what
//! programs call files they have not finished. Pure; `watch` asks before it looks at a file.

use wildmatch::WildMatch;

/// Names that programs give to files they are still writing, or keep beside what people wrote.
const SIDE_FILES: [&str; 54] = [
    // Hidden files: AppleDouble, `.goutputstream`, `.~lock.`, what rsync and FTP servers write first.
    ".*",
    // Editors.
    "*~",
    "#*#",
    "*.swp",
    "*.swo",
    "*.swn",
    "*.swx",
    "4913",
    "*.bak",
    "*.save",
    "*.orig",
    "*.rej",
    "*.autosave",
    // Office programs.
    "~$*",
    "*.lock",
    "*.lck",
    "*.laccdb",
    // Downloads and uploads on their way.
    "*.tmp",
    "*.temp",
    "*.part",
    "*.partial",
    "*.filepart",
    "*.crdownload",
    "*.download",
    "*.opdownload",
    "*.fdmdownload",
    "*.aria2",
    "*.ytdl",
    "*.!ut",
    "*.!qb",
    "*.bc!",
    "*.upload",
    "*.uploading",
    "*.inprogress",
    "*.incomplete",
    "*.writing",
    "*.copying",
    // Programs that keep folders the same.
    "*.!sync",
    "~syncthing~*",
    "*@synoeastream",
    // Checksums and signatures.
    "*.md5",
    "*.sha1",
    "*.sha256",
    "*.sha512",
    "*.sfv",
    "*.sig",
    "md5sums",
    "sha1sums",
    "sha256sums",
    "sha512sums",
    // Of the system's own.
    "thumbs.db",
    "ehthumbs*.db",
    "desktop.ini",
    "*zone.identifier",
];

/// Patterns over file names: `*` stands for any characters, `?` for one.
#[derive(Debug, Clone, Default)]
pub struct NameRules {
    include: Vec<String>,
    ignore: Vec<String>,
}

impl NameRules {
    /// From the config; an empty `include` takes all.
    #[must_use]
    pub fn new(include: &[String], ignore: &[String]) -> Self {
        Self { include: include.to_vec(), ignore: ignore.to_vec() }
    }

    /// Whether a file of this name is looked at.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, name));
        !SIDE_FILES.iter().any(|pattern| matches(pattern, name))
            && !any(&self.ignore)
            && (self.include.is_empty() || any(&self.include))
    }
}

/// Matches a whole name, whatever the case of its letters.
fn matches(pattern: &str, name: &str) -> bool {
    WildMatch::new_case_insensitive(pattern).matches(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_matches_whole_names() {
        let table = [
            ("*.txt", "a.txt", true),
            ("*.txt", "a.txt.bak", false),
            ("a?c*", "abcd", true),
            ("*", "", true),
            ("", "a", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbY", false),
            ("*é", "café", true),
            ("*.txt", "PORT.TXT", true),
            ("README*", "readme.md", true),
        ];
        for (pattern, name, expected) in table {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn pattern_with_many_stars_stays_cheap() {
        assert!(!matches(&"*a".repeat(40), &"a".repeat(39).repeat(6).replace("aaaaaa", "aaaaab")));
    }

    #[test]
    fn names_of_side_files_are_left_alone_whatever_their_case() {
        let rules = NameRules::default();
        let side_files = [
            ".hidden",
            "._port.txt",
            "a.tmp",
            "A.TMP",
            "a.Part",
            "a.txt~",
            ".a.swp",
            "b.SWO",
            "4913",
            "#a#",
            "~$port.docx",
            "port.txt.bak",
            "port.html.crdownload",
            "port.html.DOWNLOAD",
            "port.txt.aria2",
            "port.txt.!qB",
            "port.txt.filepart",
            "port.txt.!sync",
            "~syncthing~port.txt.tmp",
            "port.txt.md5",
            "port.txt.SHA256",
            "SHA256SUMS",
            "Thumbs.db",
            "desktop.ini",
            "port.txt:Zone.Identifier",
        ];
        for name in side_files {
            assert!(!rules.takes(name), "{name}");
        }
        for name in ["a.txt", "no extension", "download.html", "checksums explained.md", "temp.txt", "a.db.json"] {
            assert!(rules.takes(name), "{name}");
        }
    }

    #[test]
    fn names_include_and_ignore_are_both_heard() {
        let rules = NameRules::new(&["*.txt".into(), "*.md".into()], &["README*".into()]);
        assert!(rules.takes("a.txt") && rules.takes("b.md"));
        assert!(!rules.takes("README.md") && !rules.takes("a.json"));
    }
}
