//! What of a message's lines is its text: without what it answers to, signatures, and the small print of lists; and
//! what was forwarded, where the message says little of its own.

use crate::text::work;

/// A message that says no more of its own forwards what follows.
const OWN_WORDS_MAX: usize = 40;
/// Small print takes up no more lines than this at the end.
const FOOTER_LINES_MAX: usize = 25;

/// Lines with these begin the small print of a list.
const FOOTER_WORDS: [&str; 34] = [
    "unsubscribe",
    "manage your preferences",
    "manage your subscription",
    "manage preferences",
    "update your preferences",
    "email preferences",
    "you are receiving this",
    "you're receiving this",
    "you received this",
    "this email was sent to",
    "this e-mail was sent to",
    "this message was sent to",
    "to stop receiving",
    "opt out of",
    "sent from my ",
    "abbestellen",
    "abmelden",
    "newsletter abbestellen",
    "se désabonner",
    "se désinscrire",
    "désinscription",
    "darse de baja",
    "cancelar suscripción",
    "cancelar a subscrição",
    "cancelar inscrição",
    "annulla l'iscrizione",
    "disiscriviti",
    "uitschrijven",
    "wypisz się",
    "avregistrera",
    "отписаться",
    "відписатися",
    "إلغاء الاشتراك",
    "退订",
];

/// Lines that a program writes above what was forwarded.
const FORWARD_MARKS: [&str; 10] = [
    "forwarded message",
    "begin forwarded message",
    "original message",
    "weitergeleitete nachricht",
    "ursprüngliche nachricht",
    "message transféré",
    "mensaje reenviado",
    "messaggio inoltrato",
    "пересылаемое сообщение",
    "переслане повідомлення",
];

/// Names of header lines as programs write them into a text, in lower case.
const HEADER_WORDS: [&str; 34] = [
    "from",
    "date",
    "sent",
    "to",
    "cc",
    "subject",
    "reply-to",
    "von",
    "gesendet",
    "an",
    "betreff",
    "datum",
    "de",
    "envoyé",
    "à",
    "objet",
    "para",
    "asunto",
    "fecha",
    "enviado",
    "assunto",
    "da",
    "oggetto",
    "inviato",
    "a",
    "od",
    "do",
    "temat",
    "от",
    "кому",
    "тема",
    "дата",
    "від",
    "надіслано",
];

/// The text of a message among its lines.
pub(super) fn text_lines<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    work::spend(lines.iter().map(|line| 1 + line.len()).sum());
    let lines = without_armour(lines);
    let forwarded = lines.iter().position(|line| is_forward_mark(line));
    let cut = match forwarded {
        Some(at) if words(&lines[..at]) <= OWN_WORDS_MAX => {
            let rest = &lines[at + 1..];
            &rest[header_lines(rest)..]
        }
        Some(at) => &lines[..at],
        None => &lines[..],
    };
    let cut = until_answered(cut);
    let cut = until_signature(cut);
    cut[..footer_at(cut)].to_vec()
}

/// Text that is signed inline, without what surrounds it.
fn without_armour<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let Some(start) = lines.iter().position(|line| line.trim() == "-----BEGIN PGP SIGNED MESSAGE-----") else {
        return lines.to_vec();
    };
    let signed = lines[start + 1..].iter().take_while(|line| line.trim() != "-----BEGIN PGP SIGNATURE-----");
    signed.skip_while(|line| line.starts_with("Hash:")).copied().collect()
}

fn words(lines: &[&str]) -> usize {
    lines.iter().map(|line| line.split_whitespace().count()).sum()
}

fn is_forward_mark(line: &str) -> bool {
    let line = line.trim();
    let bare = line.trim_matches(['-', '_', '=', '*', ' ', ':']).to_lowercase();
    FORWARD_MARKS.contains(&bare.as_str()) && (line.starts_with(['-', '_', '=']) || line.ends_with(':'))
}

/// How many lines at the start are those of a header and empty ones.
fn header_lines(lines: &[&str]) -> usize {
    let is_header = |line: &str| {
        let name = line.trim_start_matches(['*', '>', ' ']).split([':', '*']).next().unwrap_or_default();
        line.contains(':') && HEADER_WORDS.contains(&name.trim().to_lowercase().as_str())
    };
    lines.iter().position(|line| !line.trim().is_empty() && !is_header(line)).unwrap_or(lines.len())
}

/// Up to what the message answers to, quoted below it. A message of nothing but quotes stays.
fn until_answered<'a, 'l>(lines: &'l [&'a str]) -> &'l [&'a str] {
    let intro = lines.iter().enumerate().position(|(at, line)| {
        let next = lines[at + 1..].iter().find(|line| !line.trim().is_empty());
        line.trim_end().ends_with(':') && next.is_some_and(|next| next.trim_start().starts_with('>'))
    });
    let outlook = lines.iter().enumerate().position(|(at, line)| {
        let rule = line.trim().len() >= 10 && line.trim().chars().all(|c| matches!(c, '_' | '-'));
        rule && header_lines(&lines[at + 1..]) >= 3
    });
    let quoted = lines.iter().position(|line| line.trim_start().starts_with('>')).filter(|at| {
        let (rest, own) = (&lines[*at..], words(&lines[..*at]));
        own > 0 && rest.iter().all(|line| line.trim().is_empty() || line.trim_start().starts_with('>'))
    });
    let end = [intro, outlook, quoted].into_iter().flatten().filter(|at| words(&lines[..*at]) > 0).min();
    &lines[..end.unwrap_or(lines.len())]
}

/// Up to the line that stands above a signature.
fn until_signature<'a, 'l>(lines: &'l [&'a str]) -> &'l [&'a str] {
    let mark = lines.iter().rposition(|line| *line == "-- " || *line == "--");
    let short = mark.filter(|at| lines.len() - at <= FOOTER_LINES_MAX && words(&lines[..*at]) > 0);
    &lines[..short.unwrap_or(lines.len())]
}

/// Where the small print begins.
pub(super) fn footer_at(lines: &[impl AsRef<str>]) -> usize {
    let from = lines.len().saturating_sub(FOOTER_LINES_MAX).max(1).min(lines.len());
    let found = lines[from..].iter().position(|line| {
        let lower = line.as_ref().to_lowercase();
        lower.chars().count() <= 400 && FOOTER_WORDS.iter().any(|word| lower.contains(word))
    });
    found.map_or(lines.len(), |at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &str) -> String {
        text_lines(&body.lines().collect::<Vec<_>>()).join("\n").trim().to_owned()
    }

    #[test]
    fn body_is_cut_before_what_it_answers_its_signature_and_small_print() {
        for body in [
            "The port is open.\n\nOn Monday, A. Example wrote:\n> Is the port open?\n> We wait.",
            "The port is open.\n\n> Is the port open?\n",
            "The port is open.\n-- \nHarbour office\nTel. 12",
            "The port is open.\n\nYou are receiving this because you asked for it.\nHarbour Street 1",
            "The port is open.\n________________________________\nFrom: A\nSent: Monday\nTo: B\nSubject: Port\n\nIs it?",
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nThe port is open.\n-----BEGIN PGP SIGNATURE-----\nabc",
        ] {
            assert_eq!(text(body), "The port is open.", "{body}");
        }
    }

    #[test]
    fn body_that_forwards_is_what_was_forwarded() {
        let forward = "FYI\n\n---------- Forwarded message ---------\nFrom: Harbour <h@port.example>\nDate: Mon, 3 Mar 2031\n\
                       Subject: Port\nTo: <desk@wire.example>\n\nThe port is open.\n";
        assert_eq!(text(forward), "The port is open.");
        let own = format!("{}\n{forward}", "We looked into it and asked the harbour office again. ".repeat(6));
        assert!(text(&own).starts_with("We looked into it") && !text(&own).contains("The port is open."));
    }

    #[test]
    fn body_of_nothing_but_quotes_or_small_print_stays() {
        assert_eq!(text("> The port is open.\n> It was closed."), "> The port is open.\n> It was closed.");
        assert_eq!(text("How to unsubscribe from the harbour's mails"), "How to unsubscribe from the harbour's mails");
    }
}
