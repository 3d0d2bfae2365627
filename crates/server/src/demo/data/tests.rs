use super::*;

const PRODUCT_HEADER: &str = "product,department,brand,category,type,size\n";
const SALES_HEADER: &str = "time,store,basket,product,quantity,sales_value\n";
const MILK: &str = "milk,DAIRY,National,MILK,WHOLE MILK,1 L\n";
const BREAD: &str = "bread,BAKERY,Private,BREAD,RYE,\n";

fn parse(sales: &str, products: &str, shops: Option<usize>) -> Result<Week, DataError> {
    let sales = format!("{SALES_HEADER}{sales}");
    let products = format!("{PRODUCT_HEADER}{products}");
    Week::parse(
        Source { name: "s.csv", text: sales.as_bytes() },
        Source { name: "p.csv", text: products.as_bytes() },
        shops,
    )
}

#[test]
fn the_built_in_week_is_the_one_of_the_books() {
    let week = Week::built_in(None).unwrap();
    assert_eq!(week.units(), 5_056);
    assert_eq!(week.shops.iter().map(|shop| shop.baskets.len()).sum::<usize>(), 414);
    assert_eq!((week.shops.len(), week.products.len()), (8, 2_748));
    let ids: Vec<&str> = week.shops.iter().map(|shop| shop.id.as_str()).collect();
    assert_eq!(ids, ["406", "367", "31782", "361", "356", "381", "343", "292"]);
    assert_eq!(week.shops[0].units(), 836);
    for shop in &week.shops {
        assert!(shop.baskets.is_sorted_by_key(|basket| basket.at));
        assert_eq!(shop.baskets.iter().map(Basket::units).sum::<u64>(), shop.units());
    }
    let price = |id: &str| week.products[id].price;
    assert_eq!((price("919534"), price("1004097")), (Cents(150), Cents(150)));
}

#[test]
fn opening_stock_is_what_is_sold_and_ten_more() {
    let week = Week::built_in(None).unwrap();
    for shop in &week.shops {
        let opening: u64 = shop.opening_stock().map(|(_, units)| units).sum();
        assert_eq!(opening, shop.units() + 10 * shop.sold.len() as u64);
    }
}

#[test]
fn rows_become_baskets_of_shops_and_the_first_sale_makes_the_price() {
    let sales = "2017-07-17T10:00:00Z,7,b1,milk,2,3.00\n\
                 2017-07-17T10:00:01Z,9,b1,bread,1,4.00\n\
                 2017-07-17T10:00:02Z,7,b1,bread,1,9.00\n\
                 2017-07-17T10:00:05Z,7,b2,milk,5,1.00\n";
    let week = parse(sales, &format!("{MILK}{BREAD}unsold,A,B,C,D,E\n"), None).unwrap();
    assert_eq!(week.span, Duration::from_secs(5));
    assert_eq!((week.shops[0].site(), week.shops[1].site()), ("store-7".into(), "store-9".into()));
    let baskets = &week.shops[0].baskets;
    assert_eq!((baskets[0].lines.len(), baskets[0].units(), baskets[0].at), (2, 3, Duration::ZERO));
    assert_eq!((baskets[1].units(), baskets[1].at), (5, Duration::from_secs(5)));
    assert_eq!((week.products["milk"].price, week.products["bread"].price), (Cents(150), Cents(400)));
    assert!(!week.products.contains_key("unsold"));

    let one = parse(sales, &format!("{MILK}{BREAD}"), Some(1)).unwrap();
    assert_eq!((one.shops.len(), one.units(), one.products["bread"].price), (1, 8, Cents(900)));
}

#[track_caller]
fn refused(sales: &str, products: &str, expected: &str) {
    assert_eq!(parse(sales, products, None).unwrap_err().to_string(), expected);
}

#[test]
fn a_bad_sale_is_named_by_file_line_and_column() {
    let check = |row: &str, expected: &str| {
        let sales = format!("2017-07-17T10:00:00Z,7,b1,milk,2,3.00\n{row}\n");
        refused(&sales, MILK, &format!("s.csv, line 3, column {expected}"));
    };
    check("yesterday,7,b,milk,1,1", "time: 'yesterday' is no time: write it as 2017-07-17T05:30:04Z");
    check(
        "2017-07-17T09:59:59Z,7,b,milk,1,1",
        "time: earlier than the row before: rows have to be in order of time",
    );
    let now = "2017-07-17T10:00:00Z";
    check(
        &format!("{now},Ätna,b,milk,1,1"),
        "store: 'Ätna' is no store: 1 to 40 small letters, digits and '-', no '-' at the end",
    );
    check(
        &format!("{now},7,b/1,milk,1,1"),
        "basket: 'b/1' is no id: 1 to 40 letters, digits, '-', '_' and '.'",
    );
    for quantity in ["-1", "0", "1.5", "", "1000001", "99999999999999999999"] {
        let expected = format!("quantity: '{quantity}' is no quantity: a whole number from 1 to 1000000");
        check(&format!("{now},7,b,milk,{quantity},1"), &expected);
    }
    for value in ["-1", "1.001", "free", "1000000.01"] {
        let expected =
            format!("sales_value: '{value}' is no sales value: 0 to 1000000, with at most two decimals");
        check(&format!("{now},7,b,milk,1,{value}"), &expected);
    }
}

#[test]
fn a_bad_product_is_named_by_file_line_and_column() {
    let sale = "2017-07-17T10:00:00Z,7,b1,milk,2,3.00\n";
    refused(
        sale,
        &format!("{MILK}{MILK}"),
        "p.csv, line 3, column product: product milk was on an earlier line already",
    );
    let long = "x".repeat(201);
    refused(
        sale,
        &format!("milk,{long},b,c,d,e\n"),
        "p.csv, line 2, column department: the text has 201 bytes, 200 are allowed",
    );
}

#[test]
fn files_of_another_shape_are_refused() {
    let header = Week::parse(
        Source { name: "s.csv", text: b"time,shop\n" },
        Source { name: "p.csv", text: format!("{PRODUCT_HEADER}{MILK}").as_bytes() },
        None,
    );
    let expected = "s.csv, line 1: the columns are 'time,shop', they have to be 'time,store,basket,product,\
                    quantity,sales_value'";
    assert_eq!(header.unwrap_err().to_string(), expected);
    refused("", MILK, "s.csv has no rows");
    let short = parse("2017-07-17T10:00:00Z,7\n", MILK, None).unwrap_err();
    assert!(matches!(short, DataError::Row { line: 2, .. }), "{short}");
    let missing = Week::read(Path::new("/nowhere/sales.csv"), Path::new("/nowhere/p.csv"), None);
    assert!(matches!(missing, Err(DataError::Read { .. })));
}

#[test]
fn more_shops_than_there_are_is_said() {
    let refused = |asked| Week::built_in(Some(asked)).unwrap_err().to_string();
    let expected = "week-sales.csv has sales of 8 shops, 9 were asked for: ask for fewer with --shops";
    assert_eq!(refused(9), expected);
    assert_eq!(refused(33), "33 shops were asked for, 32 are allowed: each is a process of its own");
    assert_eq!(Week::built_in(Some(3)).unwrap().units(), 836 + 829 + 709);
}

/// Two sales of milk, 3 units, as `zstd -19` compresses them.
const COMPRESSED: &[u8] =
    b"\x28\xb5\x2f\xfd\x00\x68\xed\x02\x00\x92\x85\x13\x18\x80\xab\x0e\x00\xaa\xe6\xfb\xf6\x3f\xaf\x30\
    \xf6\x2d\x33\x13\x5d\x7d\x42\x44\x94\xc4\xe4\x94\x05\x48\x99\xda\xef\x62\xaa\x0a\xf8\xfa\x11\x21\
    \xf2\x7d\x6f\x1f\x34\xd0\x15\xda\xa6\xa6\xa9\xad\x2e\xc4\x33\x3a\x87\x90\x1c\x9d\xfc\xd3\xb0\x13\
    \x37\x99\x77\x31\x0d\xa5\x59\xde\x7c\x48\xf7\xce\x8d\xd2\xf2\x8c\xc0\x0e\x04\x00\x60\x04\x5c\x57\
    \x52\x19\xdc\xc0\xed\x01";

#[test]
fn what_is_sold_and_not_listed_is_known_by_its_number() {
    let week = parse("2017-07-17T10:00:00Z,7,b1,4711,2,3.00\n", MILK, None).unwrap();
    assert_eq!((week.units(), week.products["4711"].name.as_str()), (2, "product 4711"));
    assert_eq!(week.products["4711"].price, Cents(150));
}

#[test]
fn compressed_files_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let (sales, products) = (directory.path().join("s.csv.zst"), directory.path().join("p.csv"));
    std::fs::write(&sales, COMPRESSED).unwrap();
    std::fs::write(&products, format!("{PRODUCT_HEADER}{MILK}")).unwrap();
    assert_eq!(Week::read(&sales, &products, None).unwrap().units(), 3);
    std::fs::write(&sales, &COMPRESSED[..COMPRESSED.len() / 2]).unwrap();
    let cut = Week::read(&sales, &products, None).unwrap_err();
    assert!(matches!(cut, DataError::Read { .. }), "{cut}");
}
