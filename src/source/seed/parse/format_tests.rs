//! What people have besides articles: dumps of news services, tables, agency XML, exports of archives, saved pages,
//! and the texts of site generators.

use super::tests::{at, content, day, file, only, read, title};
use super::*;

const LEAD: &str = "The harbour board said on Monday that the new pier would open in spring, after two years of work.";

#[test]
fn numbers_that_count_within_a_file_are_no_ids_across_files() {
    let key = |item: &str| only(&format!("{{\"id\":1,{item}}}")).key;
    assert_ne!(key("\"title\":\"Pier opens\""), key("\"title\":\"Ferry leaves\""));
    assert_eq!(key("\"title\":\"Pier opens\",\"text\":\"a\""), key("\"title\":\"Pier opens\",\"text\":\"b\""));
    assert_eq!(key("\"title\":\"a\",\"url\":\"https://a.example/1\"").as_str(), "https://a.example/1");
    assert_eq!(only("{\"id\":8412345678,\"title\":\"a\"}").key.as_str(), "8412345678");
}

#[test]
fn json_of_other_services_is_read() {
    let dump = r#"{"title":"Search: pier","articles":{"results":[
        {"id":12,"date":"2031-05-14T08:00:00","date_gmt":"2031-05-14T06:00:00","title":{"rendered":"Pier &#8211; opens"},"author":3,
         "content":{"rendered":"<p>It opens.</p>"},"link":"https://a.example/12","categories":[4]},
        {"title":"[Removed]","description":"[Removed]","content":"[Removed]","url":"https://removed.example"},
        {"title":"Ferry","seendate":"20310514T080000Z","domain":"b.example","language":"German","url":"https://b.example/1"},
        {"webTitle":"Crane","fields":{"bodyText":"It stands.… [+2219 chars]","byline":"J. Doe"},"id":"x/1",
         "date":"2031-05-14","dateTime":"2031-05-14T09:30:00Z"}]}}"#;
    let document = read(dump);
    let [pier, ferry, crane] = document.items.as_slice() else { panic!("{document:?}") };
    assert_eq!(pier.published, Some(Dated { at: at("2031-05-14T06:00:00Z"), certainty: DateCertainty::Exact }));
    assert!(pier.author.is_none() && pier.tags.is_empty(), "numbers name nobody: {pier:?}");
    assert_eq!((ferry.publisher.as_deref(), ferry.lang.as_deref()), (Some("b.example"), Some("de")));
    assert_eq!(ferry.published.map(|date| date.at), Some(at("2031-05-14T08:00:00Z")));
    assert_eq!((content(crane), crane.author.as_deref()), ("It stands.…", Some("J. Doe")));
    assert_eq!(crane.published.map(|date| date.at), Some(at("2031-05-14T09:30:00Z")));
    assert_eq!(document.rejected.len(), 1);
    assert!(document.rejected[0].detail.contains("removed"));
}

#[test]
fn json_values_one_after_the_other_are_all_read() {
    let text = "{\n  \"title\": \"Pier\"\n}\n{\n  \"title\": \"Ferry\"\n}\n[{\n  \"title\": Crane\n}]\n{ \"title\": \"It\\'s\" }\n";
    let document = read(text);
    let titles: Vec<_> = document.items.iter().filter_map(title).collect();
    assert_eq!(titles, ["Pier", "Ferry", "It's"]);
    assert_eq!(document.rejected.iter().map(|rejected| rejected.count).sum::<u64>(), 1, "{:?}", document.rejected);
}

#[test]
fn tables_are_read_by_their_header() {
    let csv = "\u{feff}sep=;\nHeadline;URL;Date;Text\n\"Pier; opens\";https://a.example/1;2031-05-14;\"It \"\"opens\"\"\nin spring.\"\n\
               Ferry;https://a.example/2;;\n;;;\na;b;c;d;e\n";
    let document = read(csv);
    assert_eq!(document.format, DocumentFormat::Table);
    let [pier, ferry] = document.items.as_slice() else { panic!("{document:?}") };
    assert_eq!((title(pier), content(pier)), (Some("Pier; opens"), "It \"opens\"\nin spring."));
    assert_eq!((pier.published, title(ferry)), (Some(day("2031-05-14")), Some("Ferry")));
    assert_eq!(document.rejected.len(), 1, "the row with a cell too many: {:?}", document.rejected);
    let tsv = "title\turl\nPier\thttps://a.example/1\n";
    assert_eq!(read(tsv).items.len(), 1);
    let unknown = parse(b"depth,height\n1,2\n", &file("tides.csv")).expect_err("no column is known");
    assert_eq!(unknown.reason, RejectReason::NotText);
    assert_eq!(read("The title, the date and the text\nwere read out, he said.").format, DocumentFormat::Text);
    let open = parse(b"title,text\na,b\nc,\"d\n", &file("a.csv")).expect("what is whole");
    assert_eq!((open.items.len(), open.rejected[0].count), (1, 1));
}

#[test]
fn news_xml_of_agencies_is_read() {
    let nitf = "<?xml version='1.0'?><nitf><head><title>x</title><docdata><doc-id id-string='n17'/><date.issue norm='20310514T080000Z'/>\
        <key-list><keyword key='ports'/></key-list></docdata></head><body><body.head><hedline><hl1>Pier <em>opens</em></hl1></hedline>\
        <byline>By J. Doe</byline><distributor>Northwire</distributor></body.head><body.content><media><caption>A crane</caption></media>\
        <p>It opens &amp; stays.</p><p>In spring.</p></body.content></body></nitf>";
    let item = only(nitf);
    let seen = (item.key.as_str(), title(&item), content(&item));
    assert_eq!(seen, ("n17", Some("Pier opens"), "It opens & stays.\nIn spring."));
    assert_eq!((item.author.as_deref(), item.publisher.as_deref()), (Some("J. Doe"), Some("Northwire")));
    assert_eq!(item.published.map(|date| date.at), Some(at("2031-05-14T08:00:00Z")));
    assert_eq!(item.tags, ["ports"]);
    let story = |guid: &str, status: &str| {
        format!(
            "<newsItem guid='{guid}' xml:lang='en'><itemMeta><versionCreated>2031-05-14T08:00:00Z</versionCreated><pubStatus qcode='stat:{status}'/>\
             <provider literal='northwire'/></itemMeta><contentMeta><headline>Pier {guid}</headline></contentMeta><contentSet><inlineXML>\
             <html><head><title>no</title></head><body><p>It opens.</p></body></html></inlineXML></contentSet></newsItem>"
        )
    };
    let (first, second, third) = (story("a", "usable"), story("b", "canceled"), story("c", "usable"));
    let message = format!("<newsMessage><itemSet>{first}{second}{third}</itemSet></newsMessage>");
    let document = read(&message);
    assert_eq!(document.format, DocumentFormat::NewsXml);
    let seen: Vec<_> = document.items.iter().map(|item| (item.key.as_str(), content(item))).collect();
    assert_eq!(seen, [("a", "It opens."), ("c", "It opens.")]);
    assert_eq!(document.rejected[0].count, 1);
    let cut = parse(&message.as_bytes()[..message.len() - 200], &file("a.xml")).expect("what is whole");
    assert_eq!((cut.items.len(), cut.rejected.len()), (1, 2));
    let deep = format!("<nitf>{}", "<a>".repeat(10_000));
    assert_eq!(parse(deep.as_bytes(), &file("a.xml")).expect_err("too deep").reason, RejectReason::TooDeep);
}

#[test]
fn exports_of_press_archives_are_several_items() {
    let lexis = "\n   1 of 2 DOCUMENTS\n\n   Northport Post\n\n   May 14, 2031 Wednesday\n\nPier opens\n\nBYLINE: J. Doe\n\nLENGTH: 20 words\n\n\
        It opens in spring, the\nboard said.\n\nIt stays.\n\nLOAD-DATE: May 14, 2031\n\nLANGUAGE: GERMAN\n\n   Copyright 2031 Northport Post\n\n\
        2 of 2 DOCUMENTS\n\n   The Courier\n\n   May 13, 2031 Tuesday\n\nFerry leaves\n\nLENGTH: 9 words\n\nIt left.\n";
    let document = read(lexis);
    assert_eq!(document.format, DocumentFormat::PressArchive);
    let [pier, ferry] = document.items.as_slice() else { panic!("{document:?}") };
    assert_eq!((title(pier), content(pier)), (Some("Pier opens"), "It opens in spring, the board said.\nIt stays."));
    assert_eq!((pier.publisher.as_deref(), pier.author.as_deref()), (Some("Northport Post"), Some("J. Doe")));
    assert_eq!(pier.lang.as_deref(), Some("de"));
    assert_eq!((ferry.published, title(ferry)), (Some(day("2031-05-13")), Some("Ferry leaves")));
    assert_eq!(content(ferry), "It left.");
    let article = |n: u32| {
        format!(
            "HD    Pier opens {n}\nBY    J. Doe\nPD    14 May 2031\nET    10:15\nSN    Northwire\nLP\nIt opens.\n\nTD\nIN the end it stays.\n\nAN    Document NW{n}\n\n"
        )
    };
    let document = read(&(article(1) + &article(2)));
    let seen: Vec<_> = document.items.iter().map(|item| (item.key.as_str(), content(item))).collect();
    assert_eq!(seen, [("NW1", "It opens.\nIN the end it stays."), ("NW2", "It opens.\nIN the end it stays.")]);
}

#[test]
fn saved_pages_in_mhtml_are_read() {
    let page = format!(
        "From: <Saved by Blink>\nSnapshot-Content-Location: https://a.example/1\nSubject: Pier\nMIME-Version: 1.0\n\
         Content-Type: multipart/related; type=\"text/html\"; boundary=\"b1\"\n\n--b1\nContent-Type: text/html\n\
         Content-Transfer-Encoding: quoted-printable\nContent-Location: https://a.example/1\n\n\
         <html lang=3D\"en\"><title>Pier opens</title><body><article><h1>Pier opens</h1><p>{LEAD}</p></article></body></html>\n--b1--\n"
    );
    let document = read(&page);
    assert_eq!(document.format, DocumentFormat::Mhtml);
    let item = &document.items[0];
    assert_eq!((item.url.as_deref(), title(item)), (Some("https://a.example/1"), Some("Pier opens")));
    assert_eq!(item.lang.as_deref(), Some("en"));
    assert!(content(item).contains("two years of work"), "{item:?}");
}

#[test]
fn markdown_of_site_generators_is_read() {
    let file = file("2031-05-14-pier.md");
    let jekyll =
        "---\rtitle: Pier\rauthor:\r  name: J. Doe\r  url: https://a.example\r---\r{% include ad.html %}\rIt opens.\r";
    let document = parse(jekyll.as_bytes(), &file).expect("a text");
    let item = &document.items[0];
    assert_eq!((title(item), content(item), item.author.as_deref()), (Some("Pier"), "It opens.", Some("J. Doe")));
    assert_eq!(item.published, Some(day("2031-05-14")));
    let hugo = "{\n  \"title\": \"Pier\",\n  \"date\": \"2031-05-15\"\n}\n\nIt opens.\n";
    let item = only(hugo);
    assert_eq!((title(&item), content(&item), item.published), (Some("Pier"), "It opens.", Some(day("2031-05-15"))));
}
