//! Words of dates in the languages feeds come in: month names (full, inflected, abbreviated), weekday
//! names, half-day marks, and the little words around dates. All are stored folded (see `tokens::fold`).

/// Folded names by month. One word never stands in two rows; where two languages disagree the larger
/// one in our sources wins (`listopad` is November, as in Polish and Czech).
const MONTHS: [&str; 12] = [
    "january jan janvier janv januar janner jaenner enero ene gennaio gen januari janeiro stycznia styczen sty \
     січня січень січ января январь янв ianuarie ian ledna leden ocak ιανουαριου ιανουαριος ιαν tammikuuta \
     januarja januara januarius jaanuar janvaris janvari sausio sijecnja sijecanj јануар јануара јануари януари \
     يناير جانفي ינואר בינואר",
    "february feb febr fevrier fevr fev februar feber febrero febbraio februari fevereiro lutego luty lut лютого \
     лютии лют февраля февраль фев февр februarie unora unor subat φεβρουαριου φεβρουαριος φεβ helmikuuta \
     februarja februara februaris veebruar vasario veljace veljaca фебруар фебруара фебруари февруари فبراير \
     فيفري شباط פברואר בפברואר",
    "march mar mars marz maerz marzo maart mrt marco marca marzec березня березень бер марта март мар martie \
     marts brezna brezen mart μαρτιου μαρτιος μαρ maaliskuuta marcius marc martius marta kovo ozujka ozujak مارس \
     اذار מרץ במרץ מרס במרס",
    "april apr avril avr abril abr aprile kwietnia kwiecien kwi квітня квітень квіт апреля апрель апр aprilie \
     dubna duben nisan απριλιου απριλιος απρ huhtikuuta aprila aprilis aprili aprill balandzio travnja travanj \
     април априла نيسان ابريل افريل אפריל באפריל",
    "may mai mayo maggio mag mei maio maja maj травня травень трав мая маи kvetna kveten mayis μαιου μαιος μαι \
     toukokuuta majus maijs maija geguzes svibnja svibanj мај маја مايو ايار מאי במאי",
    "june jun juin juni junio giugno giu junho czerwca czerwiec cze червня червень черв июня июнь июн iunie iun \
     cervna cerven haziran ιουνιου ιουνιος ιουν kesakuuta junija juna junius junijs juuni birzelio lipnja lipanj \
     јун јуна јуни юни يونيو يونيه حزيران جوان יוני ביוני",
    "july jul juillet juil juli julio luglio lug julho lipca lipiec lip липня липень лип июля июль июл iulie iul \
     cervence cervenec temmuz ιουλιου ιουλιος ιουλ julius heinakuuta julija jula julijs juuli liepos srpnja \
     srpanj јул јула јули юли يوليو يوليه تموز جويلية יולי ביולי",
    "august aug aout agosto ago augustus augusti sierpnia sierpien sie серпня серпень серп августа август авг \
     srpna srpen agustos αυγουστου αυγουστος αυγ augusztus elokuuta augusts augusta avgust avgusta rugpjucio \
     kolovoza kolovoz اغسطس اب اوت אוגוסט באוגוסט",
    "september sep sept septembre septiembre setiembre settembre set setembro wrzesnia wrzesien wrz вересня \
     вересень вер сентября сентябрь сен сент septembrie zari eylul σεπτεμβριου σεπτεμβριος σεπ σεπτ szeptember \
     syyskuuta septembra septembar septembris szept rugsejo rujna rujan септембар септембра септември سبتمبر \
     ايلول ספטמבר בספטמבר",
    "october oct octobre oktober okt octubre ottobre ott outubro out pazdziernika pazdziernik paz жовтня жовтень \
     жовт октября октябрь окт octombrie rijna rijen ekim οκτωβριου οκτωβριος οκτ lokakuuta oktobra oktobar \
     oktobris oktoober spalio октобар октобра октомври اكتوبر אוקטובר באוקטובר",
    "november nov novembre noviembre novembro listopada listopad lis листопада листопад лист ноября ноябрь ноя \
     нояб noiembrie kasim νοεμβριου νοεμβριος νοε marraskuuta novembra novembar novembris lapkricio studenoga \
     studenog studeni новембар новембра ноември نوفمبر נובמבר בנובמבר",
    "december dec decembre dezember dez diciembre dic dicembre dezembro grudnia grudzien gru грудня грудень груд \
     декабря декабрь дек decembrie desember des prosince prosinec aralik δεκεμβριου δεκεμβριος δεκ joulukuuta \
     decembra decembar decembris detsember gruodzio prosinca децембар децембра декември ديسمبر דצמבר בדצמבר",
];

/// Month words that are also everyday words: in running text they count only beside a year, or, for
/// the English names, when they are capitalised.
const EVERYDAY: &str = "اب marta maija augusta set out ago gen mag lug lis lip sie sty lut des лист вер лип paz";
const EVERYDAY_LOWER: &str = "may march mar mars mart august";

const WEEKDAYS: &str = "monday mon tuesday tue tues wednesday wed weds thursday thu thur thurs friday fri saturday sat sunday sun \
     lundi mardi mercredi jeudi vendredi samedi dimanche montag mo dienstag di mittwoch mi donnerstag freitag \
     fr samstag sonnabend sa sonntag so lunes martes miercoles jueves viernes sabado domingo lunedi martedi \
     mercoledi giovedi venerdi sabato domenica maandag dinsdag woensdag donderdag vrijdag zaterdag zondag \
     mandag tisdag onsdag torsdag fredag lordag sondag poniedzialek wtorek sroda czwartek piatek sobota \
     niedziela понеділок вівторок середа четвер пятниця п'ятниця субота неділя понедельник вторник среда \
     четверг пятница суббота воскресенье пн вт ср чт пт сб вс нд segunda terca quarta quinta sexta feira lun \
     mer jeu ven sam dim mie jue vie dom gio κυρ δευ τρι τετ πεμ παρ σαβ";

const FILLERS: &str = "at on of the de del den der le el la las los il alle ore a as um uhr kl klo om uur godz o о об в г год \
     года р року рік t h hs hrs st nd rd th er e roku r am dnia vom time local published publish publie pubdate \
     posted updated update last modified created date issued first by veroffentlicht aktualisiert stand datum \
     publicado actualizado mis mise jour pubblicato aggiornato опубліковано оновлено опубликовано обновлено \
     дата start released added";

/// The month a folded word names, 1 to 12.
#[must_use]
pub(super) fn month(word: &str) -> Option<i8> {
    let row = MONTHS.iter().position(|names| stands_in(names, word))?;
    i8::try_from(row + 1).ok()
}

/// Whether a month word, as written, needs a year beside it to be believed in running text.
#[must_use]
pub(super) fn needs_year(written: &str, folded: &str) -> bool {
    stands_in(EVERYDAY, folded) || (stands_in(EVERYDAY_LOWER, folded) && written.starts_with(char::is_lowercase))
}

/// Whether a folded word names a day of the week.
#[must_use]
pub(super) fn is_weekday(word: &str) -> bool {
    stands_in(WEEKDAYS, word)
}

/// Whether a folded word may stand between, or before, the parts of a date.
#[must_use]
pub(super) fn is_filler(word: &str) -> bool {
    stands_in(FILLERS, word) || is_weekday(word)
}

/// Whether a table of words, separated by single spaces, holds a word.
fn stands_in(table: &str, word: &str) -> bool {
    !word.is_empty() && table.split(' ').any(|entry| entry == word)
}

/// Hours to add to a time on the 12-hour clock: 0 for the morning, 12 for the afternoon.
#[must_use]
pub(super) fn half_day(word: &str) -> Option<i8> {
    match word {
        "am" | "오전" | "上午" | "午前" | "πμ" => Some(0),
        "pm" | "오후" | "下午" | "午後" | "μμ" => Some(12),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::tokens::fold;

    #[test]
    fn month_names_are_folded_and_stand_in_one_row() {
        for (row, names) in MONTHS.iter().enumerate() {
            for name in names.split(' ') {
                assert_eq!(fold(name), name, "not folded");
                assert_eq!(month(name), i8::try_from(row + 1).ok(), "{name} stands in two rows");
            }
        }
        for word in [WEEKDAYS, FILLERS, EVERYDAY, EVERYDAY_LOWER].iter().flat_map(|table| table.split(' ')) {
            assert_eq!(fold(word), word, "not folded");
        }
    }

    #[test]
    fn month_everyday_words_need_a_year() {
        assert!(needs_year("may", "may") && !needs_year("May", "may"));
        assert!(needs_year("Set", "set"));
        assert!(!needs_year("february", "february"));
    }
}
