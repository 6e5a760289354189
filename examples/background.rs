//! Makes `src/pipeline/story/background.bin` from the news texts under `$WIREWATCH_SHARED/load`
//! (unpacked with gzip on the fly): counts in how many texts a word stands. Numbers go into the
//! table, no text. Run again only when stemming or hashing changes.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::Path;

use wirewatch::pipeline::story::{background, words};
use wirewatch::text::tokens::{Tokens, fold};

/// Weight of a text of 1987 against one of 2017.
const OLD_WEIGHT: f64 = 0.15;
/// Weighted texts a word must stand in.
const COUNT_MIN: f64 = 3.0;
/// Bytes of a text that count.
const TEXT_BYTES_MAX: usize = 6000;

/// Function words: they carry no story in any language, and a stream in one language has to know
/// them before it has seen enough.
const FUNCTION_WORDS: &str = "
der die das den dem des ein eine einen einem einer eines und oder aber auch nicht mit von vom zu zum zur im in am an auf
aus bei bis durch fur gegen ohne um unter uber vor wie als ist sind war waren wird werden wurde wurden hat haben hatte
sich er sie es wir ihr ich man sein seine seinen seiner ihre ihren ihrer dass wenn noch nach nur schon mehr so dann da
diese dieser dieses diesem diesen kann konnen soll sollen muss will was wer wo
le la les un une des du de et ou mais dans en au aux avec pour par sur sous sans ce cet cette ces qui que quoi dont il
elle ils elles on nous vous je se sa son ses leur leurs est sont etait ete etre avoir ont ne pas plus a d'un d'une qu'il
selon apres avant entre depuis comme tout tous cela aussi meme fait
el los las una unos unas del al y o pero con por para sin sobre entre desde hasta que quien cual su sus se lo es son era
fue ser han ha habia no mas como este esta estos estas ese esa esto tambien ya muy cuando donde segun
il lo gli i di del della dei delle dello da dal dalla nel nella nei con su per tra fra e ed o ma che chi cui non piu si
suo sua suoi loro e' sono era stato stata essere ha hanno anche come dopo prima questo questa quello
o os as um uma do da dos das no na nos nas em por pelo pela com para e mas que se seu sua nao mais como foi sao ser tem
ao aos ja tambem esta este isso
de het een en of maar van voor met op aan in uit bij naar om te is zijn was waren wordt worden werd heeft hebben niet
ook dat die dit deze er hij zij ze we als dan nog meer door over onder tegen na tot
och att det som en ett den av for pa med ar var till inte om har de vid fran men eller ska kan nar efter under
i w z na do od o po za przez dla przy jest sa byl byla bylo byc nie to ze sie jak ale oraz lub tego tym ktory ktora
ktore ich jego jej juz tylko takze po przed
и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по только ее мне было вот от меня еще нет
о из ему теперь когда даже ну ли если уже или ни быть был него до вас они тут где есть надо для мы их чем была сам чтоб
без будто чего раз тоже себе под будет тогда кто этот того потому этого какой им здесь этом один почти мой тем чтобы
это также после при этой который которые которая
і й та у в на з до що як не за від для про це по але або чи він вона вони його її їх ми ви є був була було були бути
так також щоб якщо коли де вже ще після перед між під над через цей ця ці який яка які того цього
";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(shared) = std::env::var_os("WIREWATCH_SHARED") else {
        println!("skipped: WIREWATCH_SHARED is not set");
        return Ok(());
    };
    let mut counts: HashMap<u32, f64> = HashMap::new();
    let mut texts = 0.0;
    for (name, weight) in [("news-articles.jsonl.gz", 1.0), ("reuters21578.jsonl.gz", OLD_WEIGHT)] {
        let file = std::fs::File::open(Path::new(&shared).join("load").join(name))?;
        for line in BufReader::new(flate2::read::GzDecoder::new(file)).lines() {
            let record: serde_json::Value = serde_json::from_str(&line?)?;
            let mut seen = HashSet::new();
            for field in ["title", "text"] {
                let mut text = record[field].as_str().unwrap_or_default();
                if text.len() > TEXT_BYTES_MAX {
                    text = &text[..(0..=TEXT_BYTES_MAX).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)];
                }
                words::for_each_word(text, &Tokens::of(text), usize::MAX, |word| {
                    seen.insert(word.hash);
                });
            }
            texts += weight;
            for hash in seen {
                *counts.entry(hash).or_default() += weight;
            }
        }
    }
    let function_words = FUNCTION_WORDS.split_whitespace().map(|word| (words::term_hash(&fold(word)), 0.0));
    let mut learned: Vec<(u32, f64)> = counts.into_iter().filter(|(_, count)| *count >= COUNT_MIN).collect();
    learned.sort_by_key(|(hash, _)| *hash);
    println!("{} texts (weighted), {} words", texts, learned.len());
    let learned = learned.into_iter().map(|(hash, count)| (hash, (texts / count).ln() as f32));
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pipeline/story/background.bin");
    std::fs::write(target, background::build(function_words.chain(learned)))?;
    Ok(())
}
