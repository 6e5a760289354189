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

/// Names that stand in the news every day, whatever the story: they say where a story plays, not which
/// one it is. Countries with their peoples and capitals, continents, the large international institutions,
/// news agencies, months and days: a gazetteer, without persons and without anything taken from a labelled
/// set. The texts counted above are too old to know how common some of them are now; persons and everything
/// else the stream teaches by itself.
const ACTORS: &str = "
afghanistan afghan kabul albania albanian tirana algeria algerian algiers angola argentina armenia armenian yerevan australia
australian canberra austria austrian vienna azerbaijan baku bahrain bangladesh dhaka belarus belarusian minsk belgium belgian
brussels bolivia bosnia botswana brazil brazilian bulgaria bulgarian sofia burundi cambodia cameroon canada canadian ottawa
chad chile china chinese beijing colombia congo croatia croatian zagreb cuba cuban havana cyprus czech prague denmark danish
copenhagen ecuador egypt egyptian cairo eritrea estonia estonian tallinn ethiopia ethiopian finland finnish helsinki france
french paris gabon georgia georgian tbilisi germany german germans berlin ghana greece greek athens greenland guatemala
guinea haiti honduras hungary hungarian budapest iceland india indian delhi indonesia indonesian jakarta iran iranian tehran
iraq iraqi baghdad ireland irish dublin israel israeli israelis jerusalem italy italian rome jamaica japan japanese tokyo
jordan kazakhstan kenya kenyan nairobi korea korean seoul pyongyang kosovo kuwait kyrgyzstan laos latvia latvian riga lebanon
lebanese beirut liberia libya libyan tripoli lithuania lithuanian vilnius luxembourg macedonia madagascar malaysia mali malta
mexico mexican moldova moldovan chisinau mongolia montenegro morocco moroccan mozambique myanmar namibia nepal netherlands
dutch hague nicaragua niger nigeria nigerian norway norwegian oslo oman pakistan pakistani islamabad palestine palestinian
palestinians panama paraguay peru philippines manila poland polish warsaw portugal portuguese lisbon qatar doha romania
romanian bucharest russia russian russians moscow kremlin rwanda saudi arabia riyadh senegal serbia serbian belgrade singapore
slovakia slovak bratislava slovenia somalia spain spanish madrid sri lanka sudan sudanese khartoum sweden swedish stockholm
switzerland swiss bern syria syrian damascus taiwan taiwanese taipei tajikistan tanzania thailand thai bangkok tunisia turkey
turkish turkiye ankara turkmenistan uganda ukraine ukrainian ukrainians kyiv kiev emirates uae uruguay uzbekistan venezuela
vietnam vietnamese hanoi yemen yemeni zambia zimbabwe britain british uk england english scotland scottish wales london
america american americans usa us u.s washington africa african asia asian europe european europeans eu arctic antarctic
pacific atlantic mediterranean west western east eastern north northern south southern middle
nato un united nations g7 g20 imf osce opec icc iaea unicef unesco who interpol commission council parliament congress senate
pentagon white house vatican pope
reuters afp tass interfax ap dpa efe ansa xinhua bbc cnn bloomberg
january february march april may june july august september october november december
monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun jan feb mar apr jun jul aug sep
sept oct nov dec
";
/// Idf of an actor where the counts give more.
const ACTOR_IDF: f32 = 4.2;

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
    let actors: HashSet<u32> = ACTORS.split_whitespace().map(words::term_hash).collect();
    let idf = |hash: &u32, count: f64| {
        let counted = (texts / count).ln() as f32;
        if actors.contains(hash) { counted.min(ACTOR_IDF) } else { counted }
    };
    let known: HashSet<u32> = learned.iter().map(|(hash, _)| *hash).collect();
    let mut unknown: Vec<u32> = actors.difference(&known).copied().collect();
    unknown.sort_unstable();
    let learned = learned.iter().map(|(hash, count)| (*hash, idf(hash, *count)));
    let learned = learned.chain(unknown.into_iter().map(|hash| (hash, ACTOR_IDF)));
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pipeline/story/background.bin");
    std::fs::write(target, background::build(function_words.chain(learned)))?;
    Ok(())
}
