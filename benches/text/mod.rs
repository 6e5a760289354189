//! Made-up news for benches: a vocabulary with the spread of a natural one (Zipf) whose commonest words are
//! those of English, names of its own per article, edits as outlets make them, notices of one template. The
//! same seed gives the same texts.

/// What a tenth to a third of any English text consists of: readers of text look at these first.
const COMMONEST: [&str; 60] = [
    "the", "of", "to", "and", "in", "a", "for", "that", "on", "is", "was", "said", "with", "by", "as", "at", "from",
    "it", "has", "be", "have", "an", "are", "will", "he", "not", "but", "they", "which", "were", "its", "been", "or",
    "this", "after", "their", "would", "more", "about", "who", "had", "one", "than", "also", "his", "when", "we",
    "there", "new", "over", "two", "up", "into", "first", "out", "year", "last", "could", "all", "some",
];

/// Makes articles of about 2 KB.
pub struct Writer {
    state: u64,
}

impl Writer {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.state >> 33
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// A word of rank 0 to about 60,000, common ranks far more often.
    fn word(&mut self) -> String {
        let uniform = (self.below(1 << 30) as f64 + 1.0) / f64::from(1 << 30);
        let rank = (60_000f64.powf(uniform)) as u64 - 1;
        COMMONEST.get(rank as usize).map_or_else(|| spell(rank), |word| (*word).to_owned())
    }

    fn name(&mut self) -> String {
        let word = spell(60_000 + self.below(200_000));
        word[..1].to_uppercase() + &word[1..]
    }

    /// Headline and text.
    pub fn article(&mut self) -> (String, String) {
        let names: Vec<String> = (0..6).map(|_| self.name()).collect();
        let mut text = String::new();
        let sentences = 16 + self.below(8);
        for sentence in 0..sentences {
            for w in 0..16 {
                let word = if self.below(9) == 0 { names[self.below(6) as usize].clone() } else { self.word() };
                text.push_str(&word);
                text.push_str(if w < 15 { " " } else { "." });
            }
            text.push_str(if sentence % 4 == 3 { "\n" } else { " " });
        }
        let title =
            format!("{} {} {} {} {} {}", names[0], self.word(), self.word(), names[1], self.word(), self.word());
        (title, text)
    }

    /// The text with 1 to 5 words of a hundred replaced.
    pub fn edit(&mut self, text: &str) -> String {
        let percent = 1 + self.below(5);
        let words = text.split(' ').map(|w| if self.below(100) < percent { "edited" } else { w }.to_owned());
        words.collect::<Vec<_>>().join(" ")
    }

    /// Notice number n of one template: all alike but for two names and two numbers.
    pub fn notice(&mut self, n: u64) -> (String, String) {
        let (place, other) = (self.name(), self.name());
        let title = format!("Water level notice {n} for {place}");
        let body = "The office for waterways gives notice that the level at the gauge has passed the mark at which boats \
                    have to keep to the middle of the channel and landing stages close until the level has fallen again. \
                    Crews call the lock before they set out and follow the signs along both banks of the river";
        (title, format!("{body}. The gauge at {place} read {} centimetres. Next station: {other}.", 300 + n % 700))
    }
}

/// A pronounceable word for a rank.
fn spell(mut rank: u64) -> String {
    const SYLLABLES: [&str; 32] = [
        "ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "wo", "zu", "bra", "cle", "dri",
        "flo", "gru", "ka", "lem", "min", "nor", "pus", "ran", "sel", "tin", "vor", "wun", "xa", "ye",
    ];
    let mut word = String::new();
    loop {
        word.push_str(SYLLABLES[(rank % 32) as usize]);
        rank /= 32;
        if rank == 0 {
            return word;
        }
    }
}
