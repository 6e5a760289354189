//! Two hundred pairs of names: one name in two spellings or scripts, and names that only resemble each
//! other. Common surnames, nobody in particular.

use super::sound::skeleton;
use crate::model::Lang;
use crate::text::tokens::fold;

/// One name a line: language and spelling, all of them the same name.
const SAME: &[&[(&str, &str)]] = &[
    &[
        ("en", "Kovalenko"),
        ("de", "Kowalenko"),
        ("fr", "Kovalenko"),
        ("uk", "Коваленко"),
        ("ru", "Коваленко"),
        ("uk", "Коваленком"),
    ],
    &[
        ("en", "Shevchuk"),
        ("de", "Schewtschuk"),
        ("fr", "Chevtchouk"),
        ("pl", "Szewczuk"),
        ("uk", "Шевчук"),
        ("ru", "Шевчук"),
    ],
    &[("en", "Zhukov"), ("de", "Schukow"), ("fr", "Joukov"), ("pl", "Żukow"), ("uk", "Жуков"), ("ru", "Жуков")],
    &[("en", "Lysenko"), ("de", "Lyssenko"), ("pl", "Łysenko"), ("uk", "Лисенко"), ("ru", "Лысенко")],
    &[("en", "Horbatiuk"), ("de", "Horbatjuk"), ("uk", "Горбатюк"), ("ru", "Горбатюк")],
    &[("en", "Kharchenko"), ("de", "Chartschenko"), ("pl", "Charczenko"), ("uk", "Харченко"), ("ru", "Харченко")],
    &[("en", "Tymoshchuk"), ("de", "Tymoschtschuk"), ("pl", "Tymoszczuk"), ("uk", "Тимощук"), ("ru", "Тимощук")],
    &[
        ("en", "Smirnov"),
        ("de", "Smirnow"),
        ("fr", "Smirnov"),
        ("uk", "Смирнов"),
        ("ru", "Смирнов"),
        ("ru", "Смирнову"),
    ],
    &[
        ("en", "Vyshnevskyi"),
        ("de", "Wyschnewskyj"),
        ("pl", "Wyszniewski"),
        ("uk", "Вишневський"),
        ("uk", "Вишневського"),
    ],
    &[("en", "Johnson"), ("uk", "Джонсон"), ("ru", "Джонсон")],
    &[("en", "Miller"), ("uk", "Міллер"), ("ru", "Миллер"), ("ru", "Миллера")],
    &[("en", "Baker"), ("uk", "Бейкер"), ("ru", "Бейкер")],
    &[("en", "Walker"), ("uk", "Вокер")],
    &[("en", "Harrison"), ("uk", "Гаррісон"), ("ru", "Харрисон"), ("ru", "Гаррисон")],
    &[("en", "Thompson"), ("uk", "Томпсон"), ("ru", "Томпсон")],
    &[("de", "Schneider"), ("en", "Schneider"), ("uk", "Шнайдер"), ("ru", "Шнайдер")],
    &[("de", "Schwarz"), ("uk", "Шварц"), ("ru", "Шварц"), ("de", "Schwarz")],
    &[("de", "Fischer"), ("uk", "Фішер"), ("ru", "Фишер")],
    &[("de", "Lehmann"), ("uk", "Леманн"), ("ru", "Леман")],
    &[("de", "Zimmermann"), ("uk", "Циммерман"), ("ru", "Циммерман")],
    &[("fr", "Moreau"), ("en", "Moreau"), ("uk", "Моро"), ("ru", "Моро")],
    &[("fr", "Lambert"), ("uk", "Ламберт"), ("ru", "Ламберт")],
    &[("fr", "Dupont"), ("en", "Dupont"), ("pl", "Dupont")],
    &[("it", "Ferrari"), ("uk", "Феррарі"), ("ru", "Феррари")],
    &[("it", "Colombo"), ("uk", "Коломбо"), ("ru", "Коломбо")],
    &[("it", "Martinelli"), ("uk", "Мартінеллі"), ("ru", "Мартинелли")],
    &[("es", "Navarro"), ("uk", "Наварро"), ("ru", "Наварро")],
    &[("es", "Fernández"), ("en", "Fernandez"), ("uk", "Фернандес"), ("ru", "Фернандес")],
    &[("es", "Gutiérrez"), ("en", "Gutierrez"), ("uk", "Гутьєррес"), ("ru", "Гутьеррес")],
    &[("pl", "Wiśniewski"), ("en", "Wisniewski"), ("uk", "Вишневський"), ("pl", "Wiśniewskiego")],
    &[("pl", "Zieliński"), ("en", "Zielinski"), ("ru", "Зелински"), ("pl", "Zielińskiemu")],
    &[("pl", "Kamiński"), ("en", "Kaminski"), ("ru", "Каминский"), ("uk", "Камінський")],
    &[("en", "Novak"), ("pl", "Nowak"), ("uk", "Новак"), ("ru", "Новак"), ("pl", "Nowakiem")],
    &[("en", "Dvorak"), ("de", "Dvořák"), ("uk", "Дворак"), ("ru", "Дворак")],
    &[("en", "Jovanovic"), ("de", "Jovanović"), ("uk", "Йованович"), ("ru", "Йованович")],
    &[("en", "Popescu"), ("uk", "Попеску"), ("ru", "Попеску")],
    &[("en", "Yilmaz"), ("de", "Yılmaz"), ("uk", "Їлмаз"), ("ru", "Йылмаз")],
    &[("en", "Tanaka"), ("uk", "Танака"), ("ru", "Танака")],
    &[("en", "Nakamura"), ("uk", "Накамура"), ("ru", "Накамуры")],
];

/// Names that are not one.
/// A name and its language.
type Spoken = (&'static str, &'static str);
const DIFFERENT: &[(Spoken, Spoken)] = &[
    (("en", "Kovalenko"), ("uk", "Коваль")),
    (("en", "Kovalenko"), ("en", "Kovalchuk")),
    (("en", "Shevchuk"), ("uk", "Шевченко")),
    (("en", "Petrov"), ("ru", "Петренко")),
    (("en", "Ivanov"), ("ru", "Иваненко")),
    (("de", "Schneider"), ("de", "Schröder")),
    (("de", "Fischer"), ("ru", "Фишман")),
    (("en", "Miller"), ("ru", "Мельник")),
    (("en", "Johnson"), ("ru", "Джонс")),
    (("en", "Harrison"), ("uk", "Гаррі")),
    (("en", "Thompson"), ("ru", "Томсен")),
    (("it", "Ferrari"), ("it", "Ferrero")),
    (("it", "Martinelli"), ("it", "Martini")),
    (("es", "Fernández"), ("es", "Hernández")),
    (("es", "Navarro"), ("es", "Navarrete")),
    (("es", "Gutiérrez"), ("es", "Rodríguez")),
    (("pl", "Wiśniewski"), ("pl", "Malinowski")),
    (("pl", "Kamiński"), ("pl", "Kowalski")),
    (("pl", "Nowak"), ("pl", "Nowicki")),
    (("fr", "Lambert"), ("fr", "Laurent")),
    (("fr", "Dupont"), ("fr", "Dupuis")),
    (("fr", "Moreau"), ("fr", "Morel")),
    (("de", "Lehmann"), ("de", "Neumann")),
    (("de", "Zimmermann"), ("de", "Zimmer")),
    (("en", "Baker"), ("en", "Parker")),
    (("en", "Walker"), ("en", "Wallace")),
    (("en", "Smirnov"), ("ru", "Сидоров")),
    (("uk", "Лисенко"), ("uk", "Левченко")),
    (("uk", "Харченко"), ("uk", "Марченко")),
    (("uk", "Горбатюк"), ("uk", "Горбань")),
    (("uk", "Тимощук"), ("uk", "Тимошенко")),
    (("en", "Popescu"), ("ru", "Попов")),
    (("en", "Novak"), ("ru", "Новиков")),
    (("en", "Tanaka"), ("ru", "Такада")),
    (("en", "Nakamura"), ("ru", "Накано")),
    (("en", "Jovanovic"), ("ru", "Иванович")),
    (("en", "Dvorak"), ("ru", "Дворник")),
    (("en", "Yilmaz"), ("ru", "Йылдыз")),
    (("en", "Zhukov"), ("ru", "Чуков")),
    (("en", "Carter"), ("ru", "Картье")),
];

fn sound(lang: &str, name: &str) -> Vec<u8> {
    skeleton(&fold(name), Lang::from_tag(lang)).expect("a known script").as_bytes().to_vec()
}

#[test]
fn skeleton_brings_the_spellings_of_a_name_together_and_others_not() {
    let (mut same, mut found, mut missed) = (0, 0, Vec::new());
    for names in SAME {
        for (at, (lang, name)) in names.iter().enumerate() {
            for (other_lang, other) in &names[at + 1..] {
                same += 1;
                if sound(lang, name) == sound(other_lang, other) {
                    found += 1;
                } else {
                    let spell = |lang, name| String::from_utf8_lossy(&sound(lang, name)).into_owned();
                    missed.push(format!("{name} {} / {other} {}", spell(lang, name), spell(other_lang, other)));
                }
            }
        }
    }
    let equal = |((a_lang, a), (b_lang, b)): &&((&str, &str), (&str, &str))| sound(a_lang, a) == sound(b_lang, b);
    let confused: Vec<_> = DIFFERENT.iter().filter(equal).collect();
    assert!(same + DIFFERENT.len() >= 200, "{same}");
    assert!(found * 100 >= same * 85, "{found} of {same}:\n{}", missed.join("\n"));
    assert!(confused.len() * 100 <= 5 * DIFFERENT.len(), "{confused:?}");
}
