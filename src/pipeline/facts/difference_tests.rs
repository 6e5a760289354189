//! Pairs of headlines in eight languages: what tells two events apart, and what does not tell two reports
//! of one event apart.

use super::*;
use crate::model::Lang;
use crate::text::tokens::Tokens;

fn said(lang: &str, title: &str) -> ItemFacts {
    let names = KnownNames::default();
    read(title, &Tokens::of(title), "", &Tokens::of(""), Lang::from_tag(lang), &names)
}

fn spelled(a: &ItemFacts, b: &ItemFacts) -> String {
    let facts = |facts: &ItemFacts| facts.facts.iter().map(|f| f.spell()).collect::<Vec<_>>().join(", ");
    let found = differences(a, b);
    let found: Vec<String> = found.iter().map(|d| format!("{:?} {}", d.separation, d.spell())).collect();
    format!("{} | {} => {found:?}", facts(a), facts(b))
}

/// Language, two headlines of two events, and what they differ in.
const DIFFERENT: &[(&str, &str, &str, Aspect)] = &[
    ("en", "Sweden to send 400 soldiers to Latvia", "Norway to send 400 soldiers to Latvia", Aspect::Place),
    ("en", "Ferry runs aground off Naples", "Ferry runs aground off Athens", Aspect::Place),
    ("en", "Senate approves budget for border fence", "Senate rejects budget for border fence", Aspect::Polarity),
    ("en", "Ministers impose curfew in Tirana", "Ministers lift curfew in Tirana", Aspect::Polarity),
    ("en", "Council weighs ban on wood stoves", "Council adopts ban on wood stoves", Aspect::Stage),
    ("en", "Third convoy of aid reaches Goma", "Fourth convoy of aid reaches Goma", Aspect::Nth),
    ("en", "Leaders adopt 12th package of farm aid", "Leaders adopt 13th package of farm aid", Aspect::Nth),
    ("en", "CVE-2031-10001: flaw in Quillmail server", "CVE-2031-10002: flaw in Quillmail server", Aspect::Identifier),
    ("en", "Crash closes A14 near the bridge", "Crash closes A17 near the bridge", Aspect::Identifier),
    ("en", "FIFA fines club over chants", "UEFA fines club over chants", Aspect::Actor),
    ("en", "Justice minister survives confidence vote", "Health minister survives confidence vote", Aspect::Actor),
    ("en", "Regulator fines bank 30 million euros", "Regulator fines bank 75 million euros", Aspect::Quantity),
    ("en", "Quake of magnitude 5.2 shakes islands", "Quake of magnitude 6.4 shakes islands", Aspect::Quantity),
    ("en", "Market closes lower on Monday", "Market closes lower on Tuesday", Aspect::Date),
    ("en", "Strikes on fuel depots: the week in brief", "Strikes on fuel depots kill guard", Aspect::Genre),
    ("en", "Skier Anna Halvorsen wins downhill race", "Skier Petra Zimnicka wins downhill race", Aspect::Name),
    ("en", "Court releases former mayor", "Court jails former mayor", Aspect::Polarity),
    ("en", "Utility to raise power prices", "Utility to cut power prices", Aspect::Polarity),
    ("en", "Airline resumes flights to Cairo", "Airline suspends flights to Cairo", Aspect::Polarity),
    ("de", "Schweden schickt 400 Soldaten nach Lettland", "Norwegen schickt 400 Soldaten nach Lettland", Aspect::Place),
    ("de", "Fähre vor Neapel auf Grund gelaufen", "Fähre vor Athen auf Grund gelaufen", Aspect::Place),
    ("de", "Kabinett verhängt Ausgangssperre", "Kabinett hebt Ausgangssperre auf, lockert Regeln", Aspect::Polarity),
    ("de", "Rat beschließt 12. Paket für Bauern", "Rat beschließt 13. Paket für Bauern", Aspect::Nth),
    ("de", "Justizminister übersteht Abstimmung", "Gesundheitsminister übersteht Abstimmung", Aspect::Actor),
    (
        "de",
        "Behörde verlangt 30 Millionen Euro von Bank",
        "Behörde verlangt 75 Millionen Euro von Bank",
        Aspect::Quantity,
    ),
    ("de", "Beben der Stärke 5,2 erschüttert Inseln", "Beben der Stärke 6,4 erschüttert Inseln", Aspect::Quantity),
    ("de", "Stadtrat erwägt Verbot von Holzöfen", "Stadtrat beschließt Verbot von Holzöfen", Aspect::Stage),
    ("de", "Börse schließt am Montag schwächer", "Börse schließt am Dienstag schwächer", Aspect::Date),
    ("de", "Versorger erhöht Strompreise", "Versorger senkt Strompreise", Aspect::Polarity),
    ("fr", "La Suède envoie 400 soldats en Lettonie", "La Norvège envoie 400 soldats en Lettonie", Aspect::Place),
    ("fr", "Le Sénat approuve le budget des routes", "Le Sénat rejette le budget des routes", Aspect::Polarity),
    ("fr", "Le gouvernement impose le couvre-feu", "Le gouvernement lève le couvre-feu", Aspect::Polarity),
    ("fr", "Un 12e paquet d'aides aux fermes", "Un 13e paquet d'aides aux fermes", Aspect::Nth),
    (
        "fr",
        "La banque écope de 30 millions d'euros d'amende",
        "La banque écope de 75 millions d'euros d'amende",
        Aspect::Quantity,
    ),
    ("fr", "La mairie envisage de fermer le pont", "La mairie décide de fermer le pont", Aspect::Stage),
    ("fr", "Un ferry s'échoue près de Naples", "Un ferry s'échoue près d'Athènes", Aspect::Place),
    ("it", "La Svezia invia 400 soldati in Lettonia", "La Norvegia invia 400 soldati in Lettonia", Aspect::Place),
    ("it", "Il Senato approva la riforma delle strade", "Il Senato respinge la riforma delle strade", Aspect::Polarity),
    ("it", "Traghetto incagliato davanti a Napoli", "Traghetto incagliato davanti ad Atene", Aspect::Place),
    ("it", "Terzo convoglio di aiuti per il porto", "Quarto convoglio di aiuti per il porto", Aspect::Nth),
    ("it", "Multa di 30 milioni di euro alla banca", "Multa di 75 milioni di euro alla banca", Aspect::Quantity),
    ("it", "Il comune valuta il divieto di stufe", "Il comune approva il divieto di stufe", Aspect::Stage),
    ("es", "Suecia envía 400 soldados a Letonia", "Noruega envía 400 soldados a Letonia", Aspect::Place),
    (
        "es",
        "El Senado aprueba el presupuesto de carreteras",
        "El Senado rechaza el presupuesto de carreteras",
        Aspect::Polarity,
    ),
    ("es", "Un ferry encalla cerca de Nápoles", "Un ferry encalla cerca de Atenas", Aspect::Place),
    ("es", "Tercer convoy de ayuda llega al puerto", "Cuarto convoy de ayuda llega al puerto", Aspect::Nth),
    ("es", "Multa de 30 millones de euros al banco", "Multa de 75 millones de euros al banco", Aspect::Quantity),
    ("es", "El alcalde estudia cerrar el puente", "El alcalde decide cerrar el puente", Aspect::Stage),
    ("pl", "Szwecja wyśle 400 żołnierzy na Łotwę", "Norwegia wyśle 400 żołnierzy na Łotwę", Aspect::Place),
    ("pl", "Senat przyjął ustawę o drogach", "Senat odrzucił ustawę o drogach", Aspect::Polarity),
    ("pl", "Rząd wprowadza godzinę policyjną", "Rząd znosi godzinę policyjną", Aspect::Polarity),
    ("pl", "Dwunasty pakiet pomocy dla rolników", "Osiemnasty pakiet pomocy dla rolników", Aspect::Nth),
    ("pl", "Bank zapłaci 30 mln euro kary", "Bank zapłaci 75 mln euro kary", Aspect::Quantity),
    ("pl", "Prom osiadł na mieliźnie koło Neapolu", "Prom osiadł na mieliźnie koło Aten", Aspect::Place),
    ("pl", "Gmina rozważa zakaz kominków", "Gmina uchwaliła zakaz kominków", Aspect::Stage),
    ("uk", "Швеція відправить 400 військових до Латвії", "Норвегія відправить 400 військових до Латвії", Aspect::Place),
    ("uk", "Сенат схвалив бюджет на дороги", "Сенат відхилив бюджет на дороги", Aspect::Polarity),
    ("uk", "Уряд запровадив комендантську годину", "Уряд скасував комендантську годину", Aspect::Polarity),
    ("uk", "Третій конвой допомоги прибув у порт", "Четвертий конвой допомоги прибув у порт", Aspect::Nth),
    ("uk", "Банк сплатить 30 мільйонів євро", "Банк сплатить 75 мільйонів євро", Aspect::Quantity),
    ("uk", "Міська рада розглядає заборону печей", "Міська рада ухвалила заборону печей", Aspect::Stage),
    ("uk", "Дрони атакували порт в Одесі", "Дрони атакували порт у Миколаєві", Aspect::Place),
    ("ru", "Швеция отправит 400 военных в Латвию", "Норвегия отправит 400 военных в Латвию", Aspect::Place),
    ("ru", "Сенат одобрил бюджет на дороги", "Сенат отклонил бюджет на дороги", Aspect::Polarity),
    ("ru", "Правительство ввело комендантский час", "Правительство отменило комендантский час", Aspect::Polarity),
    ("ru", "Третий конвой с помощью прибыл в порт", "Четвертый конвой с помощью прибыл в порт", Aspect::Nth),
    ("ru", "Банк заплатит 30 млн евро", "Банк заплатит 75 млн евро", Aspect::Quantity),
    ("ru", "Землетрясение магнитудой 5,2 на островах", "Землетрясение магнитудой 6,4 на островах", Aspect::Quantity),
];

/// Two headlines of one event, each with its language.
const SAME: &[(&str, &str, &str, &str)] = &[
    ("en", "Sweden to send 400 soldiers to Latvia", "en", "Swedish troops head for Riga: 400 in all"),
    ("en", "Canada fines grain trader", "en", "Ottawa punishes grain dealer"),
    ("en", "Kremlin says talks went well", "en", "Russia calls talks useful"),
    ("en", "Landslide kills 7 in the valley", "en", "Landslide in the valley: 12 dead"),
    ("en", "Some 2,000 jobs to go at steel mill", "en", "Steel mill cuts 1,980 jobs"),
    ("en", "Court overturns verdict against editor", "en", "Editor's verdict quashed on appeal"),
    ("en", "Bridge in Porto reopens after repairs", "en", "Traffic returns to bridge as repairs end"),
    ("en", "Sweden to send 400 soldiers to Latvia", "de", "Schweden schickt 400 Soldaten nach Lettland"),
    ("en", "Sweden to send 400 soldiers to Latvia", "fr", "La Suède envoie 400 soldats en Lettonie"),
    ("en", "Sweden to send 400 soldiers to Latvia", "uk", "Швеція відправить 400 військових до Латвії"),
    ("de", "Beben der Stärke 5,2 erschüttert Inseln", "it", "Terremoto di magnitudo 5,2 scuote le isole"),
    ("es", "Tercer convoy de ayuda llega al puerto", "ru", "Третий конвой с помощью прибыл в порт"),
    ("pl", "Senat odrzucił ustawę o drogach", "en", "Senate rejects roads bill"),
    ("fr", "Un ferry s'échoue près de Naples", "pl", "Prom osiadł na mieliźnie koło Neapolu"),
    ("uk", "Банк сплатить 30 мільйонів євро", "de", "Bank zahlt 30 Millionen Euro"),
    ("en", "EU adopts new rules for ports", "de", "Brüssel beschließt neue Regeln für Häfen"),
];

#[test]
fn differences_tell_two_events_apart_in_eight_languages() {
    let mut wrong = Vec::new();
    for (lang, ours, theirs, aspect) in DIFFERENT {
        let (a, b) = (said(lang, ours), said(lang, theirs));
        let hit = |a: &ItemFacts, b: &ItemFacts| {
            differences(a, b).iter().any(|d| d.aspect == *aspect && d.separation == Separation::Clear)
        };
        if !hit(&a, &b) || !hit(&b, &a) {
            wrong.push(format!("{lang}: {ours} / {theirs}: {}", spelled(&a, &b)));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), DIFFERENT.len(), wrong.join("\n"));
}

#[test]
fn differences_do_not_tell_reports_of_one_event_apart() {
    let mut wrong = Vec::new();
    for (lang, ours, other_lang, theirs) in SAME {
        let (a, b) = (said(lang, ours), said(other_lang, theirs));
        if differences(&a, &b).iter().any(|d| d.separation == Separation::Clear) {
            wrong.push(format!("{ours} / {theirs}: {}", spelled(&a, &b)));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), SAME.len(), wrong.join("\n"));
}
